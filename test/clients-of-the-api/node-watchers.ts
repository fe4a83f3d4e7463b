/** The informer of @kubernetes/client-node, and what it tells a program that starts it again whenever it ends. */
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { Seen } from './views.ts';

const AGAIN_MS = 100;

export class NodeWatcher {
  readonly seen: Seen[] = [];
  readonly held = () => new Map(this.#informer.list().map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion ?? '']));
  restarts = 0;
  readonly #informer: ReturnType<typeof makeInformer<V1ConfigMap>>;
  #isStopped = false;

  constructor(kubeconfig: string, namespace: string) {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const api = config.makeApiClient(CoreV1Api);
    // Its list says nothing of itself to who listens, but that it was made: what comes before it ends are additions.
    const list = async () => {
      const listed = await api.listNamespacedConfigMap({ namespace });
      const items = Object.fromEntries(listed.items.map(({ metadata }) => [metadata?.name ?? '', metadata?.resourceVersion ?? '']));
      this.seen.push({ type: 'replace', version: listed.metadata?.resourceVersion ?? '', items });
      this.#listedUpTo = Number(listed.metadata?.resourceVersion);
      return listed;
    };
    this.#informer = makeInformer<V1ConfigMap>(config, `/api/v1/namespaces/${namespace}/configmaps`, list);
    this.#informer.on('add', (object) => this.#hear('add', object));
    this.#informer.on('update', (object) => this.#hear('update', object));
    this.#informer.on('delete', (object) => this.#hear('delete', object));
    this.#informer.on('error', () => void this.#again());
  }

  #listedUpTo = 0;

  async start(): Promise<void> {
    await this.#informer.start();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#informer.stop();
  }

  #hear(type: 'add' | 'update' | 'delete', { metadata }: V1ConfigMap): void {
    const version = metadata?.resourceVersion ?? '';
    // It tells of what it lists as it tells of what happens; the list has been written down as a whole.
    if (Number(version) > this.#listedUpTo) this.seen.push({ type, version, name: metadata?.name ?? '' });
  }

  async #again(): Promise<void> {
    await sleep(systemClock, AGAIN_MS);
    if (this.#isStopped) return;
    this.restarts++;
    await this.#informer.start();
  }
}
