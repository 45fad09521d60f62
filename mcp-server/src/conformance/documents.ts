/** The suite's prompts and resources. */
import {
  acceptedContent,
  completable,
  inputRequired,
  type McpServer,
  ResourceNotFoundError,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { asked, RED_PIXEL } from "./samples.js";

export function addPrompts(mcp: McpServer): void {
  mcp.registerPrompt("test_simple_prompt", { title: "Simple", description: "Has no arguments." }, () => ({
    messages: [asked("This is a simple prompt for testing.")],
  }));
  const word = () =>
    completable(z.string(), (begun) => ["paris", "park", "party", "test"].filter((w) => w.startsWith(begun)));
  mcp.registerPrompt(
    "test_prompt_with_arguments",
    {
      title: "Arguments",
      description: "Has two arguments.",
      argsSchema: z.object({ arg1: word(), arg2: word() }),
    },
    ({ arg1, arg2 }) => ({ messages: [asked(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  mcp.registerPrompt(
    "test_prompt_with_embedded_resource",
    {
      title: "Resource",
      description: "Holds a resource.",
      argsSchema: z.object({ resourceUri: z.string() }),
    },
    ({ resourceUri }) => ({
      messages: [
        {
          role: "user",
          content: {
            type: "resource",
            resource: {
              uri: resourceUri,
              mimeType: "text/plain",
              text: "Embedded resource content for testing.",
            },
          },
        },
        asked("Please process the embedded resource above."),
      ],
    }),
  );
  mcp.registerPrompt("test_prompt_with_image", { title: "Picture", description: "Holds a picture." }, () => ({
    messages: [
      { role: "user", content: { type: "image", data: RED_PIXEL, mimeType: "image/png" } },
      asked("Please analyze the image above."),
    ],
  }));
  const contextForm = z.object({ context: z.string() });
  mcp.registerPrompt(
    "test_input_required_result_prompt",
    { title: "Input", description: "Asks for a context first." },
    ({ mcpReq }) => {
      const given = acceptedContent(mcpReq.inputResponses, "user_context", contextForm);
      if (given !== undefined) return { messages: [asked(`Context: ${given.context}`)] };
      const user_context = inputRequired.elicit({
        message: "What context should the prompt use?",
        requestedSchema: {
          type: "object",
          properties: { context: { type: "string" } },
          required: ["context"],
        },
      });
      return inputRequired({ inputRequests: { user_context } });
    },
  );
}

export function addResources(mcp: McpServer): void {
  const text = (uri: string, mimeType: string, body: string) => ({
    contents: [{ uri, mimeType, text: body }],
  });
  mcp.registerResource(
    "static-text",
    "test://static-text",
    { description: "A text.", mimeType: "text/plain" },
    ({ href }) => text(href, "text/plain", "This is the content of the static text resource."),
  );
  mcp.registerResource(
    "static-binary",
    "test://static-binary",
    { description: "A picture.", mimeType: "image/png" },
    ({ href }) => ({ contents: [{ uri: href, mimeType: "image/png", blob: RED_PIXEL }] }),
  );
  mcp.registerResource(
    "watched",
    "test://watched-resource",
    { description: "A text that may change.", mimeType: "text/plain" },
    ({ href }) => text(href, "text/plain", "Watch this."),
  );
  mcp.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: undefined }),
    { description: "Data by id.", mimeType: "application/json" },
    ({ href }, { id }) => {
      if (typeof id !== "string") throw new ResourceNotFoundError(href);
      return text(
        href,
        "application/json",
        JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }),
      );
    },
  );
}
