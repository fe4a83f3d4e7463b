/** A node whose pods a containerd of the test runs, for the conformance suite (../conformance.ts). */
import { spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { CriRuntime } from '../../../../src/agent/runtime/cri/cri.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { connectLean } from '../../../../src/grpc/lean/lean-channel.ts';
import { World, type Ability, type OpenOptions, type OpenRuntime, type Subject } from '../conformance.ts';
import { MACHINE_IMAGE } from './archive.ts';
import { Containerd, ENDPOINT, UNIFIED, type OciRuntime } from './containerd.ts';

/** Of the node: what pods ask that want those on its network. */
export const NODE_IP = '10.250.0.1';

const LACKS: readonly (readonly [Ability, string])[] = [
  ['images', 'containerd unpacks its images itself'],
  ['sandbox-process', 'containerd holds the namespaces of pods'],
  ['own-files', 'containerd watches over containers'],
  ['own-network', 'addresses are given out by the plugins of CNI'],
  ['host-image', "podium.dev/host is an image of Podium's own runtimes"],
  ['command-trees', 'by CRI a command goes on whose client has gone, and of one that took too long its children do'],
  ['first-size', 'by CRI the size of a terminal comes beside the command'],
  ['shared-processes', 'containerd holds the namespaces of pods: cases of its own'],
  ['filters', 'a profile that is not there is said otherwise: a case of its own'],
  ['small-disk', 'containerd has the disk'],
  ['stop-signal', 'CRI has a signal for it since Kubernetes 1.33, and this containerd does not know it'],
  ['process-limits', 'CRI has a limit of processes for cgroups v2 alone'],
];

export interface CriSubjectOptions {
  readonly directory: string;
  readonly runtime: string;
  readonly census: () => readonly string[];
  readonly dial: (host: string, port: number) => Promise<Socket>;
}

export interface CriSubject extends Subject {
  readonly containerd: Containerd;
}

export async function criSubject({ directory, runtime, census, dial }: CriSubjectOptions): Promise<CriSubject> {
  const containerd = await Containerd.start(join(directory, 'containerd'), runtime as OciRuntime); // by the subject's name
  spawnSync('ip', ['addr', 'add', `${NODE_IP}/32`, 'dev', 'lo']);
  const open = async ({ node = 'node-1', cri = {} }: OpenOptions = {}): Promise<OpenRuntime> => {
    const channel = connectLean({ addresses: [ENDPOINT], keepaliveTimeMs: Infinity });
    const opened = new CriRuntime({ root: join(directory, node), nodeIp: NODE_IP, endpoint: ENDPOINT, channel, clock: systemClock, log: silentLog, ...cri });
    await opened.start();
    return { runtime: opened, dial };
  };
  const subject: CriSubject = {
    name: `cri-${runtime}`,
    root: join(directory, 'node-1'),
    containerd,
    container: { image: MACHINE_IMAGE, mounts: [{ containerPath: '/usr', hostPath: '/usr', readOnly: true }] },
    lacks: new Map(LACKS),
    open,
    census: () => census().filter((line) => !line.includes(UNIFIED) && !line.includes('dev cni0') && !/process \d+ containerd /.test(line)),
  };
  // The bridge comes with the first pod, and stays.
  const first = new World(subject, await open());
  await first.pod('first');
  await first.runtime.removePodSandbox('first');
  await first.runtime.close();
  return subject;
}
