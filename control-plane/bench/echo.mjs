/** The method of the bare echo: bytes in, bytes out. */
export const ECHO_PATH = "/bench.Echo/Say";
export const asIs = (bytes) => bytes;
