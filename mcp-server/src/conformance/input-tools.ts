/** The suite's tools that ask the client for something: a person's answer, a model's, its roots. */
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequest,
  inputRequired,
  inputResponse,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { said } from "./samples.js";

const nameForm = z.object({ name: z.string() });
const okForm = z.object({ ok: z.boolean() });
const colorForm = z.object({ color: z.string() });

type Form = Exclude<Parameters<typeof inputRequired.elicit>[0], { mode: "url" }>["requestedSchema"];

function form(properties: Record<string, { type: "string" } | { type: "boolean" }>): Form {
  return { type: "object", properties, required: Object.keys(properties) };
}

export const askName = (message = "What is your name?"): InputRequest =>
  inputRequired.elicit({ message, requestedSchema: form({ name: { type: "string" } }) });

const askModel = (text: string, maxTokens: number): InputRequest =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text } }], maxTokens });

/** The name that was given under `key`; undefined for anything that is no accepted form with a name in it. */
export function nameGiven(context: ServerContext, key: string): string | undefined {
  return acceptedContent(context.mcpReq.inputResponses, key, nameForm)?.name;
}

function modelSaid(context: ServerContext, key: string): string | undefined {
  const view = inputResponse(context.mcpReq.inputResponses, key);
  if (view.kind !== "sampling") return undefined;
  const { content } = view.result;
  const [first] = Array.isArray(content) ? content : [content];
  return first?.type === "text" ? first.text : "";
}

function rootsGiven(context: ServerContext, key: string): string | undefined {
  const view = inputResponse(context.mcpReq.inputResponses, key);
  return view.kind === "roots" ? view.roots.map((root) => root.uri).join(", ") : undefined;
}

/** A tool that asks for one thing and, once it has it, says it. */
function addAsking(
  mcp: McpServer,
  name: string,
  key: string,
  request: () => InputRequest,
  answer: (context: ServerContext) => string | undefined,
): void {
  mcp.registerTool(name, { title: name, description: `Asks for ${key}.` }, (context) => {
    const text = answer(context);
    return text === undefined ? inputRequired({ inputRequests: { [key]: request() } }) : said(text);
  });
}

export function addInputTools(mcp: McpServer, states: RequestStateCodec): void {
  addAsking(mcp, "test_input_required_result_elicitation", "user_name", askName, (context) => {
    const name = nameGiven(context, "user_name");
    return name === undefined ? undefined : `Hello, ${name}!`;
  });
  addAsking(mcp, "test_streaming_elicitation", "user_name", askName, (context) =>
    nameGiven(context, "user_name"),
  );
  addAsking(
    mcp,
    "test_input_required_result_sampling",
    "capital_question",
    () => askModel("What is the capital of France?", 100),
    (context) => modelSaid(context, "capital_question"),
  );
  addAsking(
    mcp,
    "test_missing_capability",
    "sample",
    () => askModel("Say anything.", 10),
    (context) => modelSaid(context, "sample"),
  );
  addAsking(
    mcp,
    "test_input_required_result_list_roots",
    "client_roots",
    inputRequired.listRoots,
    (context) => {
      const roots = rootsGiven(context, "client_roots");
      return roots === undefined ? undefined : `Roots: ${roots}`;
    },
  );
  mcp.registerTool(
    "test_input_required_result_multiple_inputs",
    { title: "Three inputs", description: "Asks for three things at once." },
    async (context) => {
      const name = nameGiven(context, "user_name");
      const greeting = modelSaid(context, "greeting");
      const roots = rootsGiven(context, "client_roots");
      if (name !== undefined && greeting !== undefined && roots !== undefined)
        return said(`${greeting} ${name} (${roots})`);
      return inputRequired({
        inputRequests: {
          user_name: askName(),
          greeting: askModel("Generate a greeting", 50),
          client_roots: inputRequired.listRoots(),
        },
        requestState: await states.mint({ round: 1 }, context),
      });
    },
  );
  for (const name of [
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
  ]) {
    mcp.registerTool(name, { title: name, description: "Hands out a sealed state." }, async (context) => {
      const given = acceptedContent(context.mcpReq.inputResponses, "confirm", okForm);
      if (given !== undefined && context.mcpReq.requestState() !== undefined) return said("state-ok");
      const confirm = inputRequired.elicit({
        message: "Please confirm",
        requestedSchema: form({ ok: { type: "boolean" } }),
      });
      return inputRequired({
        inputRequests: { confirm },
        requestState: await states.mint({ tool: name }, context),
      });
    });
  }
  mcp.registerTool(
    "test_input_required_result_multi_round",
    { title: "Two rounds", description: "Asks twice, one after the other." },
    async (context) => {
      const before = roundSchema.safeParse(context.mcpReq.requestState()).data;
      const name = before?.name ?? nameGiven(context, "step1");
      const color = acceptedContent(context.mcpReq.inputResponses, "step2", colorForm)?.color;
      if (name !== undefined && color !== undefined) return said(`${name} likes ${color}.`);
      if (name !== undefined) {
        const step2 = inputRequired.elicit({
          message: "Step 2: What is your favorite color?",
          requestedSchema: form({ color: { type: "string" } }),
        });
        const requestState = await states.mint({ round: 2, name }, context);
        return inputRequired({ inputRequests: { step2 }, requestState });
      }
      const requestState = await states.mint({ round: 1 }, context);
      return inputRequired({ inputRequests: { step1: askName("Step 1: What is your name?") }, requestState });
    },
  );
  mcp.registerTool(
    "test_input_required_result_capabilities",
    { title: "What the client can", description: "Asks only for what the client can give." },
    (context) => {
      const envelope: Readonly<Record<string, unknown>> = { ...context.mcpReq.envelope };
      const declared = envelope[CLIENT_CAPABILITIES_META_KEY];
      const can = (what: string): boolean =>
        typeof declared === "object" && declared !== null && Object.hasOwn(declared, what);
      const inputRequests = {
        ...(can("elicitation") ? { name: askName() } : {}),
        ...(can("sampling") ? { greeting: askModel("Generate a greeting", 50) } : {}),
        ...(can("roots") ? { roots: inputRequired.listRoots() } : {}),
      };
      return Object.keys(inputRequests).length === 0
        ? said("The client can give nothing.")
        : inputRequired({ inputRequests });
    },
  );
}

const roundSchema = z.object({ round: z.number(), name: z.string().optional() });

const ENUMS: Form = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
    titledSingle: {
      type: "string",
      oneOf: [
        { const: "value1", title: "First Option" },
        { const: "value2", title: "Second Option" },
        { const: "value3", title: "Third Option" },
      ],
    },
    legacyEnum: {
      type: "string",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
    titledMulti: {
      type: "array",
      items: {
        anyOf: [
          { const: "value1", title: "First Choice" },
          { const: "value2", title: "Second Choice" },
          { const: "value3", title: "Third Choice" },
        ],
      },
    },
  },
};

const DEFAULTS: Form = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true },
  },
};

/** Tools of the era in which a server asks its client by requests of its own; the SDK turns what they return into those. */
export function addPushTools(mcp: McpServer): void {
  mcp.registerTool(
    "test_sampling",
    {
      title: "Model",
      description: "Asks the client's model.",
      inputSchema: z.object({ prompt: z.string() }),
    },
    ({ prompt }, context) => {
      const text = modelSaid(context, "sample");
      return text === undefined
        ? inputRequired({ inputRequests: { sample: askModel(prompt, 100) } })
        : said(`LLM response: ${text}`);
    },
  );
  mcp.registerTool(
    "test_elicitation",
    { title: "Person", description: "Asks the person.", inputSchema: z.object({ message: z.string() }) },
    ({ message }, context) => {
      const requestedSchema: Form = {
        type: "object",
        properties: {
          username: { type: "string", description: "User's response" },
          email: { type: "string", description: "User's email address" },
        },
        required: ["username", "email"],
      };
      return elicited(context, "User response: ", inputRequired.elicit({ message, requestedSchema }));
    },
  );
  for (const [name, requestedSchema] of [
    ["test_elicitation_sep1034_defaults", DEFAULTS],
    ["test_elicitation_sep1330_enums", ENUMS],
  ] as const) {
    mcp.registerTool(name, { title: name, description: "Asks the person with a form." }, (context) =>
      elicited(
        context,
        "Elicitation completed: ",
        inputRequired.elicit({ message: "Please fill in the form", requestedSchema }),
      ),
    );
  }
}

function elicited(context: ServerContext, words: string, request: InputRequest) {
  const view = inputResponse(context.mcpReq.inputResponses, "form");
  if (view.kind !== "elicit") return inputRequired({ inputRequests: { form: request } });
  return said(`${words}action=${view.action}, content=${JSON.stringify(view.content ?? {})}`);
}
