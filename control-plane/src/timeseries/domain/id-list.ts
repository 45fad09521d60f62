/** Lists of series ids: told apart, found again, and made to hold more. */

export function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(Math.ceil(array.length * 1.5));
  longer.set(array);
  return longer;
}

export function sameIds(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

export function hashIds(ids: Int32Array): number {
  let hash = ids.length;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193) ^ (hash >>> 13);
  return hash;
}
