/** The list of tools, in the order clients see it. Their definitions as JSON stand in catalogue.json beside it. */
import { alertsTools } from "./alerts.js";
import { changesTools } from "./changes.js";
import { commandsTools } from "./commands.js";
import { fleetTools } from "./fleet.js";
import { healthTools } from "./health.js";
import { journalTools } from "./journal.js";
import { metricsTools } from "./metrics.js";
import { recoveryTools } from "./recovery.js";
import { regionTools } from "./regions.js";
import { runbooksTools } from "./runbooks.js";
import { safetyTools } from "./safety.js";
import type { Tool } from "./tool.js";

export const catalogue: readonly Tool[] = [
  ...healthTools,
  ...fleetTools,
  ...alertsTools,
  ...metricsTools,
  ...commandsTools,
  ...changesTools,
  ...journalTools,
  ...runbooksTools,
  ...safetyTools,
  ...recoveryTools,
  ...regionTools,
];
