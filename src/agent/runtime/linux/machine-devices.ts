/**
 * The devices of the machine, which a privileged container has beside those of every container: as with other container
 * runtimes, those that are there when it is made. An ordinary user has those that he may open himself.
 */
import { accessSync, constants, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../state-files.ts';

/** Of these each container has its own, or none. */
const OWN: ReadonlySet<string> = new Set(['console', 'fd', 'hugepages', 'mqueue', 'ptmx', 'pts', 'shm', '.lxc', '.udev']);
/** A machine with more has them in places that a container is given by name. */
const DEVICES_MAX = 1_000;

/** Notes in the container's directory which there are: its root has places for these, and no others, when it starts. */
export function noteDevices(directory: string, inUserNamespace: boolean): void {
  writeFileSync(fileOf(directory), JSON.stringify(findDevices('/dev', inUserNamespace).slice(0, DEVICES_MAX)), { mode: 0o600 });
}

/** Paths below `/dev`, of those that are still there. */
export function notedDevices(directory: string): readonly string[] {
  return (readJson<string[]>(fileOf(directory)) ?? []).filter((path) => existsSync(join('/dev', path)));
}

function fileOf(directory: string): string {
  return join(directory, 'devices.json');
}

function findDevices(top: string, onlyOpenable: boolean, below = ''): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(top, below), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (below === '' && OWN.has(entry.name)) continue;
    const path = join(below, entry.name);
    if (entry.isDirectory()) found.push(...(onlyOpenable && !isOpenable(join(top, path)) ? [] : findDevices(top, onlyOpenable, path)));
    else if ((entry.isCharacterDevice() || entry.isBlockDevice()) && (!onlyOpenable || isOpenable(join(top, path)))) found.push(path);
  }
  return found;
}

function isOpenable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
