/** `host:port`, as declared and checked, in two parts; an IPv6 address without its brackets. */
export function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
