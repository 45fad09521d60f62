/** What must not be shown. It says `<secret>` of itself wherever it is printed; only `reveal` gives the text. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "<secret>";
  }

  toJSON(): string {
    return "<secret>";
  }
}

/** A secret in the file itself, or in a file that is read when it is needed. */
export type SecretSource =
  | { readonly kind: "text"; readonly secret: Secret }
  | { readonly kind: "file"; readonly path: string };
