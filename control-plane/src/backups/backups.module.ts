/** Backups' door: what can be restored, up to when, and whether anybody has tried. */
export { backupsApi } from "./backups.api.js";
export { Repositories } from "./repositories.js";
