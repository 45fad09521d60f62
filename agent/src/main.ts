/** The program: reads its configuration, starts the agent, stops it when asked to. */
import { StartFault, startAgent } from "./agent.js";
import { type AgentConfig, helpText, loadConfig, readCommandLine } from "./config.js";
import type { PostgresSettings } from "./failover/settings.js";
import { jsonLog, reasonOf } from "./log.js";
import { realSystem } from "./system.js";
import { agentVersion } from "./version.js";

/** How long a clean stop may take before the process leaves anyway. */
const stopMaxMs = 12_000;

/** What a database needs to come under failover, looked at while it still runs by itself. */
async function checkMember(config: AgentConfig, settings: PostgresSettings): Promise<number> {
  const { lookAtMember } = await import("./failover/check/look-at-member.js");
  const { judgeMember, tellFindings } = await import("./failover/check/judge-member.js");
  const hasToken = config.joinToken !== undefined || config.joinTokenFile !== undefined;
  const facts = await lookAtMember({ settings, node: config.nodeName, stateDir: config.stateDir, hasToken });
  const findings = judgeMember(facts);
  process.stdout.write(`${tellFindings(findings)}\n`);
  return findings.some(({ verdict }) => verdict === "wrong") ? 1 : 0;
}

async function main(): Promise<number> {
  const asked = readCommandLine(process.argv.slice(2), process.env);
  switch (asked.kind) {
    case "help":
      process.stdout.write(helpText);
      return 0;
    case "version":
      process.stdout.write(`mainstay-agent ${agentVersion}\n`);
      return 0;
    case "wrong":
      process.stderr.write(`mainstay-agent: ${asked.because}\n`);
      return 2;
    case "run":
      break;
  }
  const loaded = await loadConfig(asked.configFile, process.env);
  if (loaded.kind === "faulty") {
    const where = asked.configFile ?? "the environment";
    process.stderr.write(
      `mainstay-agent: ${where} cannot be used:\n${loaded.faults.map((fault) => `  ${fault}\n`).join("")}`,
    );
    return 2;
  }
  if (asked.checkOnly) {
    process.stdout.write("mainstay-agent: the configuration is sound\n");
    return loaded.config.postgres === undefined ? 0 : checkMember(loaded.config, loaded.config.postgres);
  }
  const { config } = loaded;
  const log = jsonLog((line) => process.stdout.write(line), realSystem.clock.now, config.logLevel);
  // Whoever reads the log may go away; the agent stays.
  process.stdout.on("error", () => undefined);
  process.on("unhandledRejection", (reason) => {
    log("error", "a promise was left alone", { because: reasonOf(reason) });
  });
  // Signals may come before the agent stands: the wish to stop is kept.
  const asking = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
  // All timers of the agent let the process end; this one keeps it until it is asked to stop.
  const alive = setInterval(() => undefined, 60_000);
  try {
    const agent = await startAgent(config, agentVersion, realSystem, log);
    const signal = await asking;
    log("info", "the agent was asked to stop", { signal });
    const given = setTimeout(() => {
      log("error", "stopping took too long; what is not durable by now is sent again by the next life");
      process.exit(1);
    }, stopMaxMs);
    await agent.stop();
    clearTimeout(given);
    log("info", "the agent has stopped");
    return 0;
  } catch (error) {
    const because = error instanceof StartFault ? error.message : reasonOf(error);
    log("error", "the agent cannot go on", { because });
    process.stderr.write(`mainstay-agent: ${because}\n`);
    return 1;
  } finally {
    clearInterval(alive);
  }
}

// Not process.exitCode: an open socket of a library must not keep an agent alive that has stopped.
process.exit(await main());
