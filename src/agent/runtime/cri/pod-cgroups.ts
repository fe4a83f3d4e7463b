/**
 * The cgroups of pods, which their containers' lie in: CRI has them made, limited and removed by whoever asks for the pods. With
 * systemd the runtime asks it for them, and a pod as a whole has no limits.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeError, systemErrorCode } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { planCgroup, planUpdate, readLayout, type CgroupLayout, type CgroupSetting } from '../linux/core/cgroup-plan.ts';
import { RuntimeError, type ContainerResources, type SandboxConfig } from '../runtime.ts';
import { readText } from '../state-files.ts';
import { removeCgroups } from './cgroup-directories.ts';
import { cgroupParentOf, qosCgroupOf, qosOf, requestsOf, type Qos } from './core/cgroup-parents.ts';

export interface PodCgroupsOptions {
  readonly owner: string;
  readonly log: Log;
  /** Known once the runtime has answered. */
  readonly isSystemd: () => boolean;
  /** Of this node, as they were asked for. */
  readonly pods: () => readonly SandboxConfig[];
}

const CLASSES: readonly Qos[] = ['burstable', 'besteffort'];

export class PodCgroups {
  readonly #options: PodCgroupsOptions;
  readonly #layout: CgroupLayout | undefined = readLayout(readText('/proc/self/mountinfo'));
  #isSaid = false;

  constructor(options: PodCgroupsOptions) {
    this.#options = options;
  }

  parentOf(config: Pick<SandboxConfig, 'uid' | 'qosClass'>): string {
    return cgroupParentOf(config, { owner: this.#options.owner, isSystemd: this.#options.isSystemd() });
  }

  /** Before the sandbox. A limit that cannot be set is the pod's failure; a tree that is not ours to make is left to the runtime. */
  make(config: SandboxConfig): void {
    if (this.#options.isSystemd() || this.#layout === undefined) return;
    const path = this.parentOf(config);
    try {
      this.#create(path);
      this.share();
    } catch (error) {
      if (!this.#isSaid) this.#options.log.warn({ error: describeError(error) }, 'cri: no cgroups can be made here: pods as a whole have no limits');
      this.#isSaid = true;
      return;
    }
    this.#set(path, planCgroup(this.#layout.version, config.resources ?? {}), 'cannot-start');
  }

  update(config: SandboxConfig, resources: ContainerResources): void {
    if (this.#options.isSystemd() || this.#layout === undefined) throw new RuntimeError('invalid-state', 'the limits of a pod as a whole are not kept here');
    this.#set(this.parentOf(config), planUpdate(this.#layout.version, resources), 'invalid-state');
  }

  /** When the runtime has removed those of its containers. In whichever class it was. */
  async remove(uid: string, isLast: boolean): Promise<void> {
    const { owner, isSystemd } = this.#options;
    if (isSystemd()) return;
    for (const qosClass of ['Guaranteed', 'Burstable', 'BestEffort']) await removeCgroups(this.parentOf({ uid, qosClass }));
    if (!isLast) return this.share();
    for (const qos of CLASSES) await removeCgroups(qosCgroupOf(qos, owner));
    await removeCgroups(`/podium/${owner}`);
    await removeCgroups('/podium');
  }

  /** What the classes have beside each other: when pods come, go and change. */
  share(): void {
    const { owner, pods, isSystemd } = this.#options;
    if (this.#layout === undefined || isSystemd()) return;
    const all = pods();
    for (const qos of CLASSES) {
      if (!all.some((pod) => qosOf(pod) === qos)) continue;
      this.#set(qosCgroupOf(qos, owner), planCgroup(this.#layout.version, requestsOf(qos, all)), 'invalid-state');
    }
  }

  #create(path: string): void {
    const layout = this.#layout!;
    if (layout.version === 1) {
      for (const root of new Set(Object.values(layout.roots))) mkdirSync(join(root, path), { recursive: true });
      return;
    }
    mkdirSync(join(layout.root, path), { recursive: true });
    // Children have the controllers that their parents give them, from the top.
    for (const directory of ancestorsOf(path)) give(join(layout.root, directory));
  }

  #set(path: string, settings: readonly CgroupSetting[], code: 'cannot-start' | 'invalid-state'): void {
    for (const { controller, file, value } of settings) {
      const root = this.#layout?.version === 1 ? this.#layout.roots[controller] : this.#layout?.root;
      if (root === undefined) continue;
      try {
        writeFileSync(join(root, path, file), value, { flag: 'r+' });
      } catch (error) {
        // Not made, or without this controller: there is nothing to limit by.
        if (systemErrorCode(error) === 'ENOENT') continue;
        const why = systemErrorCode(error) === 'EBUSY' ? 'more than that is in use' : describeError(error);
        throw new RuntimeError(code, `the limit ${file} of ${value} cannot be set: ${why}`, { cause: error });
      }
    }
  }
}

/** The root first, the cgroup's own parent last. */
function ancestorsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? ['/'] : [...(parent === '/' ? [] : ancestorsOf(parent)), parent];
}

function give(directory: string): void {
  const offered = readFileSync(join(directory, 'cgroup.controllers'), 'utf8').trim().split(' ');
  const wanted = ['cpu', 'memory', 'pids'].filter((name) => offered.includes(name));
  if (wanted.length > 0) writeFileSync(join(directory, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '));
}
