/**
 * The pods of one node's folder of manifests: looks at the folder, says which pods there are, and keeps an object in the API
 * server for each (a mirror), by which people see it. What the pods do is the workers' business.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTime, sleep, type Clock, type Millis } from '../base/clock.ts';
import { describeError, systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import { keyOf, type ApiObject } from '../client/objects.ts';
import type { AgentPod } from './core/pod-spec.ts';
import { mirrorOf, planMirror, readManifest } from './core/static-pods.ts';

export interface StaticPodsOptions {
  /** Absolute. It may come later. */
  readonly directory: string;
  readonly nodeName: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly node: () => ApiObject | undefined;
  /** The object of this key, as it was heard of last. */
  readonly object: (key: string) => AgentPod | undefined;
  /** The folder holds another set of pods. */
  readonly changed: () => void;
}

/** How often the folder is looked at, and what went wrong with a mirror tried again. */
const LOOK_MS: Millis = 1_000;
/** A manifest is an object like any other. */
const FILE_BYTES_MAX = 1_572_864;
const FILES_MAX = 500;

const hash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 32);

interface KnownFile {
  /** Changes with its content. */
  readonly signature: string;
  readonly pod: AgentPod | undefined;
}

export class StaticPods {
  readonly #options: StaticPodsOptions;
  #files = new Map<string, KnownFile>();
  #isThere = false;
  readonly #busy = new Set<string>();

  constructor(options: StaticPodsOptions) {
    this.#options = options;
  }

  /** By uid. Of two files that name one pod the first counts. */
  get pods(): ReadonlyMap<string, AgentPod> {
    const byKey = new Map<string, AgentPod>();
    for (const { pod } of this.#files.values()) if (pod !== undefined && !byKey.has(keyOf(pod))) byKey.set(keyOf(pod), pod);
    return new Map([...byKey.values()].map((pod) => [pod.metadata.uid ?? '', pod]));
  }

  /** Looks until told to stop. `mirrored`: keys of objects that stand, or stood, for pods of files. */
  async run(signal: AbortSignal, mirrored: () => readonly string[]): Promise<void> {
    const repeat = async (work: () => Promise<void>) => {
      for (;;) {
        await work();
        await sleep(this.#options.clock, LOOK_MS, signal);
      }
    };
    // Beside each other: the API server may be away, or slow to answer.
    await Promise.all([repeat(() => this.look()), repeat(() => this.#keepMirrors(mirrored()))]);
  }

  /** Reads what has changed in the folder. */
  async look(): Promise<void> {
    const { log, directory, changed } = this.#options;
    let names: string[];
    try {
      names = (await readdir(directory)).filter((name) => !name.startsWith('.')).sort().slice(0, FILES_MAX);
      this.#isThere = true;
    } catch (error) {
      // A folder that cannot be read now says nothing of its pods.
      if (systemErrorCode(error) !== 'ENOENT') return log.warn({ directory, error: describeError(error) }, 'agent: the folder of manifests cannot be read');
      if (!this.#isThere) return;
      names = [];
    }
    const before = [...this.pods.keys()].join();
    const files = new Map<string, KnownFile>();
    for (const name of names) {
      const file = await this.#read(name);
      if (file !== undefined) files.set(name, file);
    }
    this.#files = files;
    if ([...this.pods.keys()].join() !== before) changed();
  }

  async #read(name: string): Promise<KnownFile | undefined> {
    const { clock, directory, nodeName } = this.#options;
    const path = join(directory, name);
    const known = this.#files.get(name);
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const signature = `${mtimeMs} ${size} ${ino}`;
      if (known?.signature === signature) return known;
      if (size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
      const manifest = readManifest(await readFile(path, 'utf8'), { nodeName, fileName: name, seenAt: formatTime(clock.wall()), hash });
      if (manifest.ok) return { signature, pod: manifest.pod };
      this.#refuse(name, manifest.message);
      // As with the kubelet, what cannot be read is as if it were not there.
      return { signature, pod: undefined };
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined; // gone meanwhile
      if (systemErrorCode(error) !== 'EISDIR') this.#refuse(name, describeError(error));
      return known ?? { signature: '', pod: undefined };
    }
  }

  #refuse(file: string, message: string): void {
    const { log, events, node } = this.#options;
    log.warn({ file, error: message }, 'agent: a manifest is no pod');
    const object = node();
    if (object !== undefined) events.record(object, { type: 'Warning', reason: 'InvalidManifest', message: `${file}: ${message}` });
  }

  /** `keys` of the objects that stand, or shall stand, for a pod of a file: also of one that is gone. */
  async #keepMirrors(keys: readonly string[]): Promise<void> {
    const pods = [...this.pods.values()];
    for (const key of new Set([...keys, ...pods.map(keyOf)])) {
      await this.keepMirror(key, pods.find((pod) => keyOf(pod) === key));
    }
  }

  async keepMirror(key: string, pod: AgentPod | undefined): Promise<void> {
    const { api, log, object, node } = this.#options;
    const found = object(key);
    const action = planMirror(pod, found);
    if (action === undefined || this.#busy.has(key)) return;
    const slash = key.indexOf('/');
    const ref = inNamespace(resources.pods, key.slice(0, slash));
    this.#busy.add(key);
    try {
      if (action.kind === 'create' && pod !== undefined) await api.create<AgentPod>(ref, mirrorOf(pod, node()?.metadata.uid));
      if (action.kind === 'delete') await api.delete(ref, key.slice(slash + 1), { gracePeriodSeconds: 0, preconditions: { uid: action.uid } });
    } catch (error) {
      // It was done already, or is tried again.
      if (!isNotFound(error)) log.debug({ pod: key, error: describeError(error) }, 'agent: a mirror pod was not written');
    } finally {
      this.#busy.delete(key);
    }
  }
}
