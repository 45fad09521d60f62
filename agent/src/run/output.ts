/**
 * The output of a command on its way out: redacted line by line, sent as it comes, and bounded: the first part and the
 * last part are kept, what is between is counted. A flood costs no memory beyond the two parts.
 */
import { Redactor } from "./redact.js";

/** One piece to send. */
export interface OutputPiece {
  readonly stream: "stdout" | "stderr";
  readonly offset: number;
  readonly data: Buffer;
  readonly skippedBytes: number;
}

const lineMax = 8 * 1024;
const pieceMax = 16 * 1024;

/** Both streams of one command. */
export class BoundedOutput {
  readonly #streams: Readonly<Record<"stdout" | "stderr", OneStream>>;

  /** @param bytesMax for both streams together; each keeps a quarter from its beginning and a quarter from its end */
  constructor(bytesMax: number, emit: (piece: OutputPiece) => void) {
    const part = Math.max(1024, Math.floor(bytesMax / 4));
    this.#streams = {
      stdout: new OneStream(part, (piece) => emit({ stream: "stdout", ...piece })),
      stderr: new OneStream(part, (piece) => emit({ stream: "stderr", ...piece })),
    };
  }

  /** Takes text as it comes; lines may be cut anywhere. */
  write(stream: "stdout" | "stderr", text: string): void {
    this.#streams[stream].write(text);
  }

  /** Sends on what has gathered. Half lines wait: a secret could be cut in two. */
  flush(): void {
    this.#streams.stdout.flush();
    this.#streams.stderr.flush();
  }

  /** The end: half lines, and the last part of what was too much. */
  end(): void {
    this.#streams.stdout.end();
    this.#streams.stderr.end();
  }
}

class OneStream {
  readonly #redactor = new Redactor();
  #line = "";
  #ready: Buffer[] = [];
  #readyBytes = 0;
  #offset = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #skipped = 0;

  constructor(
    readonly partBytes: number,
    readonly emit: (piece: Omit<OutputPiece, "stream">) => void,
  ) {}

  write(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) this.#takeLine(line, "\n");
    while (this.#line.length > lineMax) {
      this.#takeLine(this.#line.slice(0, lineMax), "");
      this.#line = this.#line.slice(lineMax);
    }
  }

  flush(): void {
    if (this.#readyBytes === 0) return;
    const data = Buffer.concat(this.#ready);
    this.#ready = [];
    this.#readyBytes = 0;
    for (let from = 0; from < data.length; from += pieceMax)
      this.#send(data.subarray(from, from + pieceMax), 0);
  }

  end(): void {
    if (this.#line !== "") this.#takeLine(this.#line, "");
    this.#line = "";
    this.flush();
    const tail = Buffer.concat(this.#tail);
    this.#tail = [];
    let skipped = this.#skipped;
    this.#offset += skipped;
    for (let from = 0; from < tail.length; from += pieceMax) {
      this.#send(tail.subarray(from, from + pieceMax), skipped);
      skipped = 0;
    }
  }

  #takeLine(line: string, end: string): void {
    for (let from = 0; from === 0 || from < line.length; from += lineMax) {
      const whole = from + lineMax >= line.length;
      this.#take(Buffer.from(this.#redactor.line(line.slice(from, from + lineMax)) + (whole ? end : "")));
    }
  }

  #take(bytes: Buffer): void {
    const room = this.partBytes - this.#offset - this.#readyBytes;
    if (this.#tailBytes === 0 && room >= bytes.length) {
      this.#ready.push(bytes);
      this.#readyBytes += bytes.length;
      return;
    }
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    while (this.#tailBytes > this.partBytes && this.#tail.length > 1) {
      const dropped = this.#tail.shift()?.length ?? 0;
      this.#tailBytes -= dropped;
      this.#skipped += dropped;
    }
  }

  #send(data: Buffer, skippedBytes: number): void {
    this.emit({ offset: this.#offset, data, skippedBytes });
    this.#offset += data.length;
  }
}
