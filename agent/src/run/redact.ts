/** Takes secrets out of text that leaves this host. Line by line, in linear time; better one word too many than one too few. */

const shown = "[redacted]";

const rules: readonly (readonly [RegExp, string])[] = [
  // scheme://user:password@host
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s/@:]{0,200}:[^\s/@]{1,500}@/gi, `$1${shown}@`],
  // Authorization: Bearer ..., Cookie: ...
  [
    /\b((?:proxy-)?authorization|set-cookie|cookie|x-api-key|x-vault-token)(["']?\s{0,3}[:=]\s{0,3}).{1,4000}/gi,
    `$1$2${shown}`,
  ],
  [/\b(bearer|basic)\s{1,3}[A-Za-z0-9._~+/=-]{8,2000}/gi, `$1 ${shown}`],
  // password=..., "token": "...", API_KEY: ...
  [
    /([A-Za-z0-9_.-]{0,40}(?:passwo?r?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[A-Za-z0-9_.-]{0,40}["']?\s{0,3}[:=]\s{0,3})(?:"[^"]{0,1000}"|'[^']{0,1000}'|[^\s,;&"']{1,1000})/gi,
    `$1${shown}`,
  ],
  // --password ..., -token ...: as an option the value comes after a space; in prose the next word is no secret.
  [
    /((?:^|\s)--?[a-z0-9-]{0,40}(?:passwo?r?d|passphrase|secret|token|key|credential)[a-z0-9-]{0,20}\s{1,3})(?:"[^"]{0,1000}"|'[^']{0,1000}'|\S{1,1000})/gi,
    `$1${shown}`,
  ],
  // Join tokens, AWS and GitHub keys, JSON web tokens: known by their shape.
  [/\bmjt_[A-Za-z0-9_-]{8,500}/g, shown],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, shown],
  [/\bgh[pousr]_[A-Za-z0-9]{20,255}\b/g, shown],
  [/\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,4000}\.[A-Za-z0-9_-]{0,1000}/g, shown],
];

/** One line without its secrets. Lines longer than 8 KiB are to be cut before. */
export function redactLine(line: string): string {
  let text = line;
  for (const [pattern, replacement] of rules) text = text.replace(pattern, replacement);
  return text;
}

/** Redacts a stream of lines; remembers whether it is inside a private key's PEM block. */
export class Redactor {
  #insideKey = false;

  /** One line without its end. */
  line(line: string): string {
    if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(line)) {
      this.#insideKey = !/-----END [A-Z ]*PRIVATE KEY-----/.test(line);
      return `${shown} (a private key)`;
    }
    if (this.#insideKey) {
      if (/-----END [A-Z ]*PRIVATE KEY-----/.test(line)) this.#insideKey = false;
      return shown;
    }
    return redactLine(line);
  }
}

/** A whole text, line by line. */
export function redactText(text: string): string {
  const redactor = new Redactor();
  return text
    .split("\n")
    .map((line) => redactor.line(line))
    .join("\n");
}
