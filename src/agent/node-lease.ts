/** The node's sign of life: a Lease of its name, renewed with each heartbeat. */
import { formatMicroTime, type Clock, type Millis } from '../base/clock.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isConflict, isNotFound } from '../client/api-error.ts';
import type { Lease } from '../client/objects.ts';

export interface NodeLeaseOptions {
  readonly node: string;
  readonly api: ApiClient;
  readonly clock: Clock;
  /** How long the node counts as alive without a heartbeat. */
  readonly durationMs: Millis;
}

const NAMESPACE = 'kube-node-lease';

export class NodeLease {
  readonly #options: NodeLeaseOptions;
  #lease: Lease | undefined;

  constructor(options: NodeLeaseOptions) {
    this.#options = options;
  }

  async renew(): Promise<void> {
    const { api, clock, node: name, durationMs } = this.#options;
    const ref = inNamespace(resources.leases, NAMESPACE);
    const leaseDurationSeconds = Math.max(1, Math.ceil(durationMs / 1000));
    const spec = { holderIdentity: name, leaseDurationSeconds, renewTime: formatMicroTime(clock.wall()) };
    // As we wrote it last, without reading it first; whoever else wrote it makes us read it the next time.
    const known = this.#lease;
    this.#lease = undefined;
    try {
      const lease = known ?? (await api.get<Lease>(ref, name));
      this.#lease = await api.update<Lease>(ref, { ...lease, spec: { ...lease.spec, ...spec } });
    } catch (error) {
      if (known !== undefined && (isConflict(error) || isNotFound(error))) return this.renew();
      if (!isNotFound(error)) throw error;
      const metadata = { name, namespace: NAMESPACE };
      this.#lease = await api.create<Lease>(ref, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
    }
  }
}
