/** The private directory of a container of the process runtime: where its volumes and its programs are looked for. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import { RuntimeError } from './runtime.ts';

/** The mount path below the container's private root, whatever it says: `..` does not lead out. */
function below(root: string, path: string): string {
  return join(root, normalize(`/${path}`));
}

export function workingDirectory(directory: string, workingDir: string): string {
  const root = join(directory, 'root');
  const inside = below(root, workingDir);
  // The runtime runs the machine's programs on the machine's files: a directory of the machine is meant if there is no other.
  if (workingDir === '' || existsSync(inside)) return inside;
  return isAbsolute(workingDir) && existsSync(workingDir) ? workingDir : inside;
}

export async function linkMount(root: string, containerPath: string, hostPath: string): Promise<void> {
  const target = below(root, containerPath);
  if (target === root || target === `${root}/`) throw new RuntimeError('cannot-start', 'a volume cannot be mounted at /');
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await symlink(hostPath, target);
}

export function findProgram(command: string, path: string, cwd: string): string | undefined {
  return candidatesOf(command, path, cwd).find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}

/** Of a command that was not found, in runc's words. */
export function whyNoProgram(command: string, path: string, cwd: string): string {
  const isThere = candidatesOf(command, path, cwd).some((candidate) => existsSync(candidate));
  return `exec: "${command}": ${isThere ? 'permission denied' : "executable file not found in $PATH or the container's directory"}`;
}

function candidatesOf(command: string, path: string, cwd: string): readonly string[] {
  if (command === '') return [];
  if (command.includes('/')) return [resolve(cwd, command)];
  return path.split(delimiter).map((directory) => join(directory === '' ? cwd : directory, command));
}
