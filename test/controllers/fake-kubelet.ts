/** A node and its agent, in a few lines: heartbeats, and runs what is bound to it unless its image is `bad`. */
import { formatMicroTime, formatTime, sleep, type Clock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { resources, type ApiClient } from '../../src/client/api-client.ts';
import { isAlreadyExists, isNotFound } from '../../src/client/api-error.ts';
import { Informer } from '../../src/client/informer.ts';
import type { Lease, Node, Pod } from '../../src/client/objects.ts';

const HEARTBEAT_MS = 1_000;
const START_MS = 300;
const STOP_MS = 200;

export class FakeKubelet {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly name: string;
  readonly stop = new AbortController();
  readonly #pods: Informer<Pod>;
  #addresses = 0;

  constructor(client: ApiClient, clock: Clock, name: string) {
    this.#client = client;
    this.#clock = clock;
    this.name = name;
    this.#pods = new Informer<Pod>({ client, clock, log: silentLog, ref: resources.pods, fieldSelector: `spec.nodeName=${name}` });
    this.#pods.listen({ changed: ({ after }) => void this.#podChanged(after) });
    void this.#run();
  }

  async #run(): Promise<void> {
    const { signal } = this.stop;
    const metadata = { name: this.name };
    const node = await this.#client.create<Node>(resources.nodes, { apiVersion: 'v1', kind: 'Node', metadata });
    const lastTransitionTime = formatTime(this.#clock.wall());
    const resourcesOfNode = { cpu: '4', memory: '4Gi', pods: '20' };
    await this.#client.updateStatus<Node>(resources.nodes, {
      ...node,
      status: {
        capacity: resourcesOfNode,
        allocatable: resourcesOfNode,
        conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime }],
      },
    });
    void this.#pods.run(signal);
    while (!signal.aborted) {
      await this.#beat().catch(() => undefined);
      await sleep(this.#clock, HEARTBEAT_MS, signal).catch(() => undefined);
    }
  }

  async #beat(): Promise<void> {
    const ref = { ...resources.leases, namespace: 'kube-node-lease' };
    const spec = { holderIdentity: this.name, leaseDurationSeconds: 4, renewTime: formatMicroTime(this.#clock.wall()) };
    const metadata = { name: this.name, namespace: 'kube-node-lease' };
    const lease: Lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
    const current = await this.#client.get<Lease>(ref, this.name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (current !== undefined) await this.#client.update<Lease>(ref, { ...current, spec });
    else {
      await this.#client.create<Lease>(ref, lease).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
    }
  }

  async #podChanged(pod: Pod | undefined): Promise<void> {
    const { signal } = this.stop;
    if (signal.aborted || pod === undefined || pod.spec.nodeName !== this.name) return;
    const { name, namespace = '', uid = '' } = pod.metadata;
    const ref = { ...resources.pods, namespace };
    const isDeleting = pod.metadata.deletionTimestamp !== undefined;
    if (!isDeleting && (pod.status?.phase === 'Running' || pod.spec.containers[0]?.image === 'bad')) return;
    try {
      await sleep(this.#clock, isDeleting ? STOP_MS : START_MS, signal);
      if (isDeleting) {
        await this.#client.delete<Pod>(ref, name, { gracePeriodSeconds: 0, preconditions: { uid } });
        return;
      }
      const current = await this.#client.get<Pod>(ref, name);
      if (current.metadata.uid !== uid || current.metadata.deletionTimestamp !== undefined) return;
      if (current.status?.phase === 'Running') return;
      const lastTransitionTime = formatTime(this.#clock.wall());
      const others = (current.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
      const conditions = [...others, { type: 'Ready', status: 'True', lastTransitionTime }];
      const podIP = `10.${this.name.slice(-1)}.0.${++this.#addresses}`;
      const status = { ...current.status, phase: 'Running', podIP, conditions };
      await this.#client.updateStatus<Pod>(ref, { ...current, status });
    } catch {
      // Gone, or changed meanwhile: the news of that comes by the watch.
    }
  }
}
