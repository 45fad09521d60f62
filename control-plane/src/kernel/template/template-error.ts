/** What is wrong with a template, or went wrong while it was filled in: one sentence, without where it came from. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}
