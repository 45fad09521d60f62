// A control plane that knows the caller and takes its account; in a process of its own, for its cost is not measured.
import { FakeControlPlane } from "../dist/testing/fake-control-plane.js";

const fake = new FakeControlPlane();
await fake.start();
// It keeps what it hears; a bench says too much for that.
setInterval(() => {
  fake.heard.length = 0;
  fake.journalled.length = 0;
}, 1_000);
process.stdout.write(`ready ${fake.address.split(":")[1]}\n`);
