/** Reads objects of a cluster from its API server, without a process for each look. */
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { tlsFiles } from '../../../src/base/pki.ts';
import { pkiDir } from '../../../src/cluster/data-dir.ts';

export interface ShownState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: object;
  readonly terminated?: { readonly reason: string; readonly exitCode: number; readonly message?: string };
}

export interface ShownStatus {
  readonly name: string;
  readonly image: string;
  readonly imageID: string;
  readonly restartCount: number;
  readonly state: ShownState;
  readonly lastState?: ShownState;
}

export interface ShownPod {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly phase?: string; readonly reason?: string; readonly message?: string; readonly containerStatuses?: readonly ShownStatus[] };
}

interface ShownEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly involvedObject: { readonly name: string };
}

export class ClusterReader {
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** `path`: below `/api/v1/`. An object, or a list of them. */
  async read<T>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T; // of a path that the caller knows
  }

  text(path: string): Promise<string> {
    const { caFile, certFile, keyFile } = tlsFiles(pkiDir(this.#dataDir), 'admin');
    const [ca, cert, key] = [caFile, certFile, keyFile].map((one) => readFileSync(one));
    return new Promise((resolve, reject) => {
      const call = get(`https://127.0.0.1:6443/api/v1/${path}`, { ca, cert, key, timeout: 10_000, agent: false }, (answer) => {
        let text = '';
        answer.on('data', (data: Buffer) => (text += data.toString())).on('error', reject);
        answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      });
      call.on('timeout', () => call.destroy(new Error(`no answer for ${path}`))).on('error', reject);
    });
  }

  /** Those of the namespace `default`, by their names. */
  async pods(): Promise<ReadonlyMap<string, ShownPod>> {
    const { items } = await this.read<{ items: ShownPod[] }>('namespaces/default/pods');
    return new Map(items.map((item) => [item.metadata.name, item]));
  }

  /** `Reason: message` of each, by the pod that it is about. */
  async events(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { items } = await this.read<{ items: ShownEvent[] }>('namespaces/default/events');
    const by = new Map<string, string[]>();
    for (const { reason, message, involvedObject: { name } } of items) by.set(name, [...(by.get(name) ?? []), `${reason}: ${message}`]);
    return by;
  }
}
