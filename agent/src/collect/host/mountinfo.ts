/** Reading /proc/self/mountinfo; pure. */

/** A mounted filesystem. */
export interface Mount {
  readonly device: string;
  readonly mountPoint: string;
  readonly fsType: string;
  /** The mount or the filesystem under it refuses writing. */
  readonly readOnly: boolean;
}

/** Which mounts a reading is about. */
export interface MountChoice {
  readonly mountPointsExclude: RegExp;
  readonly fsTypesExclude: RegExp;
  /** At most so many mounts; a host of many containers has several for each. */
  readonly mountsMax: number;
}

/** What node_exporter leaves out by default. */
export const MOUNT_POINTS_EXCLUDE =
  /^\/(?:dev|proc|run\/credentials\/.+|sys|var\/lib\/docker\/.+|var\/lib\/containers\/storage\/.+)(?:$|\/)/u;
export const FS_TYPES_EXCLUDE =
  /^(?:autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$/u;

/**
 * Filesystems whose figures come from this kernel's memory: asking them cannot hang. All others, network and FUSE
 * filesystems above all, may take for ever when the other side is gone.
 */
const LOCAL_FS_TYPES = new Set(
  "bcachefs btrfs exfat ext2 ext3 ext4 f2fs jfs nilfs2 ntfs3 overlay ramfs reiserfs tmpfs ubifs udf vfat xfs zfs".split(
    " ",
  ),
);

/** Whether asking this filesystem for its figures answers at once. */
export function answersAtOnce(mount: Mount): boolean {
  return LOCAL_FS_TYPES.has(mount.fsType);
}

/** Parses the whole file. Lines that are not as proc(5) describes them are passed over. */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    // 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [mountPoint, mountOptions] = [fields[4], fields[5]];
    const [fsType, device, superOptions] = fields.slice(dash + 1);
    if (dash < 0 || mountPoint === undefined || mountOptions === undefined) continue;
    if (fsType === undefined || device === undefined) continue;
    mounts.push({
      device: decodeMountField(device),
      mountPoint: decodeMountField(mountPoint),
      fsType: decodeMountField(fsType),
      readOnly: hasOption(mountOptions, "ro") || hasOption(superOptions ?? "", "ro"),
    });
  }
  return mounts;
}

/**
 * The mounts worth a reading. One a mount point, the last, for it lies on top of the others. Beyond node_exporter's choice `/`
 * is always in: in a container it is an overlay, and it is the one that fills.
 */
export function chooseMounts(mounts: readonly Mount[], choice: MountChoice): Mount[] {
  const top = new Map<string, Mount>();
  for (const mount of mounts) {
    top.delete(mount.mountPoint);
    top.set(mount.mountPoint, mount);
  }
  const chosen: Mount[] = [];
  for (const mount of top.values()) {
    if (chosen.length === choice.mountsMax) break;
    const isRoot = mount.mountPoint === "/";
    const excluded =
      choice.mountPointsExclude.test(mount.mountPoint) || choice.fsTypesExclude.test(mount.fsType);
    if (isRoot || !excluded) chosen.push(mount);
  }
  return chosen;
}

/** The kernel writes space, tab, newline and backslash as three octal digits. The rest is UTF-8. */
export function decodeMountField(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replaceAll(/\\([0-3][0-7]{2})/gu, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

function hasOption(options: string, name: string): boolean {
  return (
    options === name ||
    options.startsWith(`${name},`) ||
    options.includes(`,${name},`) ||
    options.endsWith(`,${name}`)
  );
}
