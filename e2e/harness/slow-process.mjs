// A service that a test declares: it notes each start, and takes its time to stop. Arguments: note file, pid file, ms.
import { appendFileSync, rmSync, writeFileSync } from "node:fs";

const [, , notes = "", pidFile = "", stopMs = "0"] = process.argv;
appendFileSync(notes, `started ${process.pid}\n`);
writeFileSync(pidFile, `${process.pid}\n`);
process.on("SIGTERM", () => {
  appendFileSync(notes, `stopping ${process.pid}\n`);
  setTimeout(() => {
    rmSync(pidFile, { force: true });
    process.exit(0);
  }, Number(stopMs));
});
setInterval(() => {}, 1_000);
