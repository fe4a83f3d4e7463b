/** Mounts as /proc/PID/mountinfo tells of them. */

export interface MountPoint {
  readonly path: string;
  readonly isShared: boolean;
  readonly isSlave: boolean;
}

export function isMountPoint(mountinfo: string, path: string): boolean {
  return mountPoints(mountinfo).some((mount) => mount.path === path);
}

/** On which the path is; of several in one place the last counts. */
export function mountOf(mountinfo: string, path: string): MountPoint | undefined {
  const holds = ({ path: at }: MountPoint) => at === '/' || path === at || path.startsWith(`${at}/`);
  return mountPoints(mountinfo).filter(holds).sort((a, b) => a.path.length - b.path.length).at(-1);
}

/** In the order in which they were mounted. The kernel writes blanks and the like in octal. */
export function mountPoints(mountinfo: string): MountPoint[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = ''] = line.split(' - ');
    const [, , , , path, , ...fields] = before.split(' ');
    if (path === undefined) return [];
    const has = (name: string) => fields.some((field) => field.startsWith(`${name}:`));
    return [{ path: path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))), isShared: has('shared'), isSlave: has('master') }];
  });
}
