/** What is done in a pod's new namespaces before anything runs in them: a shell's lines. */
import type { SandboxConfig } from '../../runtime.ts';
import { quote } from './shell-words.ts';

export interface SandboxScriptWorld {
  /** The program. */
  readonly mount: string;
  /** The node's directory in memory. */
  readonly memory: string;
  /** How many there are. */
  readonly users: number;
}

/** Of all containers of a pod; what container runtimes give one. */
const SHARED_MEMORY_SIZE = '64m';

export function sandboxScript(config: SandboxConfig, world: SandboxScriptWorld): readonly string[] {
  return [...settings(config), ...sharedMemoryMount(config, world), ...memoryMounts(config, world)];
}

export function hasMemory({ memoryVolumes = [] }: SandboxConfig): boolean {
  return memoryVolumes.length > 0;
}

/** What a pod's containers have at /dev/shm. */
export function sharedMemoryOf(memory: string, { uid, hostIpc = false }: Pick<SandboxConfig, 'uid' | 'hostIpc'>): string {
  return hostIpc ? '/dev/shm' : `${memory}/.shm/${uid}`;
}

function settings({ hostname, sysctls = {} }: SandboxConfig): readonly string[] {
  const lines = Object.entries(sysctls).map(([name, value]) => `echo ${quote(value)} >${quote(`/proc/sys/${name.replaceAll('.', '/')}`)}`);
  // Not every user may write the file, and not every machine has the command.
  return [`{ echo ${quote(hostname)} >/proc/sys/kernel/hostname; } 2>/dev/null || hostname ${quote(hostname)}`, ...lines];
}

/** In the sandbox's own mount namespace, and on a mount that is made private there: nobody else hears of it. */
function sharedMemoryMount(config: SandboxConfig, { mount, memory }: SandboxScriptWorld): readonly string[] {
  if (config.hostIpc === true) return [];
  const path = quote(sharedMemoryOf(memory, config));
  return [`${mount} --make-private ${quote(memory)}`, `mkdir -p ${path}`, `${mount} -t tmpfs -o size=${SHARED_MEMORY_SIZE},mode=1777,nosuid,nodev,noexec shm ${path}`];
}

/** In the sandbox's own mount namespace, in which its containers begin: they are shared by all of them, and end with it. */
function memoryMounts({ memoryVolumes = [] }: SandboxConfig, { mount, users }: SandboxScriptWorld): readonly string[] {
  return memoryVolumes.flatMap(({ path, sizeBytes, group }) => {
    const owner = group === undefined || group >= users ? ['mode=0777'] : ['mode=2777', `gid=${group}`];
    const options = [`size=${sizeBytes}`, ...owner, 'nosuid', 'nodev'].join(',');
    return [`mkdir -p ${quote(path)}`, `${mount} -t tmpfs -o ${options} tmpfs ${quote(path)}`];
  });
}
