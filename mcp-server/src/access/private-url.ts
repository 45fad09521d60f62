/** Addresses to which secrets may be sent, or which are believed. */

/** https, or http on this machine. */
export function isPrivateUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== "" || password !== "") return false;
  if (protocol === "https:") return true;
  return (
    protocol === "http:" && (hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname))
  );
}
