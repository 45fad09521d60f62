#!/usr/bin/env node
/** The program's beginning: what it is made of is loaded with a small heap, which may grow once there is work. */
import { growAsNeeded, startSmall } from "./heap.js";

startSmall();
const { runProgram } = await import("./program.js");
growAsNeeded();
await runProgram(process.argv.slice(2), process.env);
