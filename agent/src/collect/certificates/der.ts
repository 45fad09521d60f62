/** Reading DER, and as much of BER as keystores use: indefinite lengths and octet strings in pieces. Pure. */

/** One element of a DER text. */
export interface DerNode {
  /** The identifier byte: class, constructed and number; numbers above 30 do not come in what is read here. */
  readonly tag: number;
  readonly content: Buffer;
  /** The whole element, header included. */
  readonly whole: Buffer;
}

/** DER that is not as it should be; the message says where in the structure. */
export class DerFault extends Error {
  override readonly name = "DerFault";
}

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const OCTET_STRING = 0x04;
export const OID = 0x06;

const CONSTRUCTED = 0x20;
const DEPTH_MAX = 32;

/** The element at the start of `bytes`. */
export function readDer(bytes: Buffer, depth = 0): DerNode {
  const [tag, first] = [bytes[0], bytes[1]];
  if (tag === undefined || first === undefined) throw new DerFault("an element ends before its length");
  if ((tag & 0x1f) === 0x1f) throw new DerFault("an element has a tag of several bytes");
  if (first === 0x80) return indefinite(bytes, tag, depth);
  let length = first;
  let header = 2;
  if (first > 0x80) {
    const count = first & 0x7f;
    if (count > 4) throw new DerFault("an element's length has more than four bytes");
    if (bytes.length < 2 + count) throw new DerFault("an element ends before its length");
    length = bytes.readUIntBE(2, count);
    header += count;
  }
  if (header + length > bytes.length) throw new DerFault("an element is longer than what holds it");
  return { tag, content: bytes.subarray(header, header + length), whole: bytes.subarray(0, header + length) };
}

/** The elements inside a constructed element. */
export function childrenOf(node: DerNode): DerNode[] {
  const children: DerNode[] = [];
  for (let rest = node.content; rest.length > 0; ) {
    const child = readDer(rest);
    children.push(child);
    rest = rest.subarray(child.whole.length);
  }
  return children;
}

/** The element at `index` inside `node`, which must have the tag `tag`. */
export function childOf(node: DerNode, index: number, tag: number, what: string): DerNode {
  const child = childrenOf(node)[index];
  if (child === undefined) throw new DerFault(`${what} is not there`);
  return withTag(child, tag, what);
}

/** The node itself, when it has the tag. */
export function withTag(node: DerNode, tag: number, what: string): DerNode {
  if (node.tag !== tag)
    throw new DerFault(`${what} has tag 0x${node.tag.toString(16)}, expected 0x${tag.toString(16)}`);
  return node;
}

/** The bytes of an octet string, put together when it comes in pieces. `tag` is another for implicit tagging. */
export function octets(node: DerNode, tag = OCTET_STRING): Buffer {
  if (node.tag === (tag | CONSTRUCTED)) return Buffer.concat(childrenOf(node).map((piece) => octets(piece)));
  return withTag(node, tag, "an octet string").content;
}

/** A small non-negative integer. */
export function smallInteger(node: DerNode): number {
  const { content } = withTag(node, INTEGER, "an integer");
  if (content.length === 0 || content.length > 6)
    throw new DerFault(`an integer has ${content.length} bytes`);
  return content.readIntBE(0, content.length);
}

/** An object identifier in dotted form. */
export function oidText(node: DerNode): string {
  const { content } = withTag(node, OID, "an object identifier");
  const parts: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (parts.length === 0) {
      const top = Math.min(2, Math.floor(value / 40));
      parts.push(top, value - top * 40);
    } else parts.push(value);
    value = 0;
  }
  return parts.join(".");
}

function indefinite(bytes: Buffer, tag: number, depth: number): DerNode {
  if ((tag & CONSTRUCTED) === 0) throw new DerFault("a plain element has no length");
  if (depth > DEPTH_MAX) throw new DerFault(`elements are nested deeper than ${DEPTH_MAX}`);
  let at = 2;
  for (;;) {
    if (bytes[at] === 0 && bytes[at + 1] === 0) break;
    if (at >= bytes.length) throw new DerFault("an element without length does not end");
    at += readDer(bytes.subarray(at), depth + 1).whole.length;
  }
  return { tag, content: bytes.subarray(2, at), whole: bytes.subarray(0, at + 2) };
}
