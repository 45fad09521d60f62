/** Whether this host lets services be told to read their configuration again, and which. Pure. */
import type { Fields } from "../../fields.js";
import { absolutePath, declared, declaredName, deny, required, type Verdict } from "../verdict.js";
import { readOptionalProgram, readSignal, unitName } from "./processes.js";

/** Services that may be reloaded. */
export interface ReloadServicePolicy {
  /** systemd units. */
  readonly units: readonly string[];
  readonly processes: readonly ReloadableProcess[];
}

/** A process that reads its configuration again at a signal. */
export interface ReloadableProcess {
  readonly name: string;
  readonly pidFile: string;
  /** Default SIGHUP. */
  readonly signal: NodeJS.Signals;
  /** A program that says whether the new configuration is good, such as `nginx -t`; none is run when undefined. */
  readonly check: readonly string[] | undefined;
}

export const reloadSignals: readonly NodeJS.Signals[] = ["SIGHUP", "SIGUSR1", "SIGUSR2"];

export function readReloadService(fields: Fields): ReloadServicePolicy {
  const read = {
    units: fields.texts("units", "a systemd unit such as nginx.service", unitName),
    processes: fields.each("processes").map((process): ReloadableProcess => {
      const one = {
        name: required(process, "name", "a name of letters, digits, '.', '_' and '-'", declaredName),
        pidFile: required(process, "pidFile", "an absolute path", absolutePath),
        signal: readSignal(process, "signal", "SIGHUP", reloadSignals),
        check: readOptionalProgram(process, "check"),
      };
      process.done();
      return one;
    }),
  };
  fields.done();
  return read;
}

export function allowReloadService(own: ReloadServicePolicy | undefined, fields: Fields): Verdict {
  const unit = fields.text("unit", undefined, "a systemd unit", unitName);
  const process = fields.text("process", undefined, "a declared process's name", declaredName);
  if ((unit === undefined) === (process === undefined)) fields.fault("unit", unit, "either unit or process");
  if (own === undefined) return deny("actions.reloadService is not set on this host");
  if (unit !== undefined && !own.units.includes(unit))
    return deny(`${unit} is not in actions.reloadService.units`);
  if (process !== undefined && declared(own.processes, process) === undefined)
    return deny(`${process} is not in actions.reloadService.processes`);
  return { kind: "allow", arguments: { action: "reload-service", unit, process } };
}
