import type { StatsFs } from "node:fs";
import { expect, test } from "vitest";
import { makeSeries } from "../series.js";
import { linesOf } from "../testing/read-out.js";
import { settled, TurnedClock } from "../testing/turned-clock.js";
import type { MountSeries } from "./filesystem.js";
import { RemoteFilesystems } from "./remote-filesystems.js";

function remote(mountPoint: string): MountSeries {
  const named = (metric: string): readonly string[] =>
    makeSeries(`node_filesystem_${metric}`, { mountpoint: mountPoint }, {});
  return {
    mount: { device: "srv:/x", mountPoint, fsType: "nfs4", readOnly: false },
    deviceError: named("device_error"),
    readOnly: named("readonly"),
    size: named("size_bytes"),
    free: named("free_bytes"),
    avail: named("avail_bytes"),
    files: named("files"),
    filesFree: named("files_free"),
  };
}

const stats: StatsFs = { type: 1, bsize: 4_096, blocks: 10, bfree: 5, bavail: 4, files: 3, ffree: 2 };

test("a mount that answers is read; one that hangs is an error after the time-out and is not asked again", async () => {
  const clock = new TurnedClock();
  const asked: string[] = [];
  let answerHung = (_: StatsFs): void => {};
  const filesystems = new RemoteFilesystems(
    () => ({ atOnce: [], mayHang: [remote("/hung"), remote("/ok")] }),
    clock,
    2_000,
    (path) => {
      asked.push(path);
      if (path === "/ok") return Promise.resolve(stats);
      return new Promise((resolve) => {
        answerHung = resolve;
      });
    },
  );
  const first = filesystems.read(1);
  await clock.turn(2_000);
  const lines = (await first).flatMap(linesOf);
  expect(lines).toContain('node_filesystem_device_error{mountpoint="/hung"} 1');
  expect(lines).toContain('node_filesystem_size_bytes{mountpoint="/ok"} 40960');
  expect(lines).not.toContain('node_filesystem_size_bytes{mountpoint="/hung"} 0');
  expect(filesystems.hanging).toEqual(["/hung"]);
  // At once, because nobody is waited for.
  expect((await filesystems.read(2)).flatMap(linesOf)).toContain(
    'node_filesystem_device_error{mountpoint="/hung"} 1',
  );
  expect(asked).toEqual(["/hung", "/ok", "/ok"]);
  answerHung(stats);
  await settled();
  expect(filesystems.hanging).toEqual([]);
});

test("when two hang, the others are not asked: the pool's last threads are for the rest of the agent", async () => {
  const clock = new TurnedClock();
  let asked = 0;
  const mounts = ["/a", "/b", "/c", "/d"].map(remote);
  const filesystems = new RemoteFilesystems(
    () => ({ atOnce: [], mayHang: mounts }),
    clock,
    100,
    () => {
      asked++;
      return new Promise(() => {});
    },
  );
  const reading = filesystems.read(1);
  await clock.turn(100);
  await clock.turn(100);
  expect((await reading).flatMap(linesOf)).toEqual(
    ["/a", "/b", "/c", "/d"].map((path) => `node_filesystem_device_error{mountpoint="${path}"} 1`),
  );
  expect(asked).toBe(2);
});
