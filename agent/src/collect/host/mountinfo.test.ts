import { expect, test } from "vitest";
import {
  answersAtOnce,
  chooseMounts,
  decodeMountField,
  FS_TYPES_EXCLUDE,
  MOUNT_POINTS_EXCLUDE,
  type Mount,
  parseMountInfo,
} from "./mountinfo.js";

const choice = { mountPointsExclude: MOUNT_POINTS_EXCLUDE, fsTypesExclude: FS_TYPES_EXCLUDE, mountsMax: 128 };

function mount(mountPoint: string, fsType: string, device = "/dev/x", readOnly = false): Mount {
  return { device, mountPoint, fsType, readOnly };
}

test.each([
  {
    what: "a plain mount",
    line: "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
    is: mount("/", "ext4", "/dev/vda"),
  },
  {
    what: "optional fields before the dash",
    line: "36 35 98:0 /sub /data rw shared:1 master:2 - xfs /dev/sdb1 rw",
    is: mount("/data", "xfs", "/dev/sdb1"),
  },
  {
    what: "a read-only mount",
    line: "1 1 0:1 / /ro ro,nosuid - tmpfs t rw",
    is: mount("/ro", "tmpfs", "t", true),
  },
  {
    what: "a filesystem that went read-only under a writable mount",
    line: "1 1 0:1 / /d rw - ext4 /dev/sda1 ro,errors=remount-ro",
    is: mount("/d", "ext4", "/dev/sda1", true),
  },
  {
    what: "an option that only begins with ro",
    line: "1 1 0:1 / /d rw,rootcontext=x - ext4 /dev/sda1 rw",
    is: mount("/d", "ext4", "/dev/sda1"),
  },
  {
    what: "blanks and backslashes in names",
    line: String.raw`1 1 0:1 / /my\040disk\134a rw - fuse.sshfs me@host:/a\011b rw`,
    is: mount(String.raw`/my disk\a`, "fuse.sshfs", "me@host:/a\tb"),
  },
])("$what", ({ line, is }) => {
  expect(parseMountInfo(`${line}\n`)).toEqual([is]);
});

test.each(["", "1 2", "1 1 0:1 / /d rw - ext4", "1 1 0:1 / /d rw ext4 /dev/sda1 rw", "- - - - - - -"])(
  "a line that is none is passed over: %j",
  (line) => {
    expect(
      parseMountInfo(`${line}\n1 1 0:1 / /ok rw - ext4 /dev/a rw\n`).map(({ mountPoint }) => mountPoint),
    ).toEqual(["/ok"]);
  },
);

test("escapes are three octal digits; anything else stays", () => {
  expect(decodeMountField(String.raw`a\040b\x\99\134`)).toBe("a b\\x\\99\\");
});

test.each([
  { what: "tmpfs stays", mount: mount("/run", "tmpfs"), kept: true },
  { what: "what lies under /mnt stays", mount: mount("/mnt/data", "ext4"), kept: true },
  { what: "network filesystems stay", mount: mount("/home", "nfs4"), kept: true },
  { what: "shared memory under /dev goes", mount: mount("/dev/shm", "tmpfs"), kept: false },
  {
    what: "a name that only begins like an excluded one stays",
    mount: mount("/develop", "ext4"),
    kept: true,
  },
  {
    what: "layers of containers go",
    mount: mount("/var/lib/docker/overlay2/abc/merged", "overlay"),
    kept: false,
  },
  { what: "docker's own disk stays", mount: mount("/var/lib/docker", "ext4"), kept: true },
  { what: "snaps go", mount: mount("/snap/core/1", "squashfs"), kept: false },
  { what: "control groups go", mount: mount("/cg", "cgroup2"), kept: false },
  { what: "an overlay elsewhere goes", mount: mount("/x", "overlay"), kept: false },
  {
    what: "the root of a container stays, though it is an overlay",
    mount: mount("/", "overlay"),
    kept: true,
  },
])("$what", ({ mount: one, kept }) => {
  expect(chooseMounts([one], choice)).toEqual(kept ? [one] : []);
});

test("of several mounts on one point the last counts, which lies on top", () => {
  const [below, top] = [mount("/d", "ext4", "/dev/a"), mount("/d", "xfs", "/dev/b")];
  expect(chooseMounts([below, mount("/e", "ext4"), top], choice)).toEqual([mount("/e", "ext4"), top]);
});

test("there is a bound", () => {
  const many = Array.from({ length: 500 }, (_, i) => mount(`/d${i}`, "ext4"));
  expect(chooseMounts(many, choice)).toHaveLength(128);
});

test.each(["nfs", "nfs4", "cifs", "fuse.sshfs", "ceph", "9p", "fuse", "unheard-of"])(
  "%s may hang",
  (fsType) => {
    expect(answersAtOnce(mount("/d", fsType))).toBe(false);
  },
);
test.each(["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs"])("%s answers at once", (fsType) => {
  expect(answersAtOnce(mount("/d", fsType))).toBe(true);
});
