/** The oldest Node that works: NestJS 12 and vite need `require(esm)` and what came with 20.19. */
export const oldestNode = { major: 20, minor: 19 };

/**
 * One sentence when `version` (as in process.versions.node) is too old, else undefined.
 * @param {string} version
 * @returns {string | undefined}
 */
export function nodeTooOld(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldestNode.major || (major === oldestNode.major && minor >= oldestNode.minor)) return undefined;
  return `Mainstay needs Node ${oldestNode.major}.${oldestNode.minor} or newer, and this is Node ${version}: install a newer Node (https://nodejs.org) and run the same command again.`;
}
