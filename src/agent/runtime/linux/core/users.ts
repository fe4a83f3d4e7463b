/**
 * How a container's program comes to be the user that it shall be. Root makes itself anybody. An ordinary user has the
 * users of the node's user namespace: as many as /etc/subuid gives him, or himself alone.
 *
 *   real      it takes the number
 *   swapped   in a user namespace within, in which it stands for root of the one around, and all others for themselves
 *   only      in a user namespace within that has this one user and this one group
 *
 * What an ordinary user unpacks of an image is all his own, whoever it belongs to in the layers: a program of another
 * user would not be let near its own files. So it is given them by the swap. The machine's own programs are root's anyway.
 */

export interface Identity {
  readonly user: number;
  readonly group: number;
  readonly supplementalGroups: readonly number[];
}

export type BecomesUser = 'real' | 'swapped' | 'only';

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface UsersInput {
  readonly identity: Identity;
  /** How many users there are; Infinity as root. */
  readonly users: number;
  /** The files of its image are as their layers say, or have no other owner than root. */
  readonly hasOwners: boolean;
}

export function becomesUser({ identity: { user, group }, users, hasOwners }: UsersInput): BecomesUser {
  if (users === 1 || user >= users || group >= users) return 'only';
  return hasOwners || user === 0 ? 'real' : 'swapped';
}

/** Groups that there are to give. */
export function groupsOf({ user, group, supplementalGroups }: Identity, users: number): readonly number[] {
  return becomesUser({ identity: { user, group, supplementalGroups }, users, hasOwners: true }) === 'only' ? [] : supplementalGroups.filter((one) => one < users);
}

/** Of the namespace within; undefined: there is none. */
export function mappingsOf(how: BecomesUser, { user, group }: Identity, users: number): { readonly uidMappings: readonly IdMapping[]; readonly gidMappings: readonly IdMapping[] } | undefined {
  if (how === 'real') return undefined;
  const map = how === 'only' ? only : (id: number) => swapped(id, users);
  return { uidMappings: map(user), gidMappings: map(group) };
}

function only(id: number): readonly IdMapping[] {
  return [{ containerID: id, hostID: 0, size: 1 }];
}

function swapped(id: number, users: number): readonly IdMapping[] {
  const all = [
    { containerID: 0, hostID: id, size: 1 },
    { containerID: 1, hostID: 1, size: id - 1 },
    { containerID: id, hostID: 0, size: 1 },
    { containerID: id + 1, hostID: id + 1, size: users - id - 1 },
  ];
  return id === 0 ? [{ containerID: 0, hostID: 0, size: users }] : all.filter(({ size }) => size > 0);
}

/** Of /proc/PID/uid_map and gid_map: how many numbers there are, from 0 on without a gap. */
export function usersOf(...maps: readonly string[]): number {
  return Math.min(...maps.map(countOf));
}

function countOf(map: string): number {
  const ranges = map.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  let count = 0;
  for (const [from = 0, , size = 0] of ranges.sort(([a = 0], [b = 0]) => a - b)) if (from === count) count += size;
  return count;
}
