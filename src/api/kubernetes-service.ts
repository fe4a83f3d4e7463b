/**
 * Keeps the Service `kubernetes` and its endpoints, as one of all API servers that do: each renews its own lease, reads
 * who else lives and writes what differs. Nobody leads; who comes too late with a write looks again.
 */
import { sleep, withDeadline, type Clock, type Millis } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { isReason } from '../kube/errors.ts';
import { planKubernetesService, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_NAME_LABEL, type ServerAddress, type ServiceAction, type ServiceOptions } from './core/kubernetes-service.ts';
import { infoOf } from './kinds/info.ts';
import type { Registry } from './registry.ts';
import type { Ref } from './requests.ts';
import type { ServerLeases } from './server-leases.ts';

export interface KubernetesServiceOptions {
  readonly registry: Registry;
  readonly leases: ServerLeases;
  readonly service: ServiceOptions;
  readonly clock: Clock;
  readonly log: Log;
  readonly periodMs?: Millis;
}

/** As kube-apiserver. */
export const SERVER_LEASE_SECONDS = 15;
/** As kube-apiserver: who died is gone from the list within 25 s, and an idle cluster has little to do. */
const PERIOD_MS = 10_000;
/** What failed is tried again before the lease ends. */
const RETRY_MS = 2_000;
/** How long a stop may wait for the store, which may be stopping as well. */
const LEAVE_MS = 1_000;
const CALL_MS = 2_000;
/** Looks in a row when another server was quicker. */
const LOOKS_MAX = 3;
const MANAGER = 'podium-apiserver';

export class KubernetesService {
  readonly #options: KubernetesServiceOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #isWarned = false;

  constructor(options: KubernetesServiceOptions) {
    this.#options = options;
  }

  /** Until `leave`, or for ever: a process that dies leaves its lease behind. */
  start(): void {
    this.#running ??= this.#loop();
  }

  /** This server is none of those that answer any more. */
  async leave(): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const { leases, clock, log } = this.#options;
    const calls = { timeoutMs: LEAVE_MS };
    const leaving = async () => {
      await running;
      await leases.giveBack(calls);
      await this.#reconcile(await leases.list(calls));
    };
    await withDeadline(leaving(), { clock, deadlineMs: LEAVE_MS, what: 'leaving the endpoints' }).catch((error: unknown) => {
      log.debug({ error: describeError(error) }, 'kubernetes service: the lease will end by itself');
    });
  }

  async #loop(): Promise<void> {
    const { clock, leases, log, periodMs = PERIOD_MS } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#reconcile(await leases.renew({ timeoutMs: CALL_MS, signal }));
        this.#isWarned = false;
      } catch (error) {
        if (signal.aborted) return;
        // Once: the store may be away for long, and says so elsewhere.
        if (!this.#isWarned) log.warn({ error: describeError(error) }, 'kubernetes service: not kept');
        this.#isWarned = true;
      }
      await sleep(clock, this.#isWarned ? RETRY_MS : periodMs, signal).catch(() => undefined);
    }
  }

  async #reconcile(servers: readonly ServerAddress[]): Promise<void> {
    for (let look = 1; ; look++) {
      // What the caches hold is good enough to see that nothing is to be done.
      const actions = await this.#plan(servers, look === 1 ? '0' : '');
      try {
        for (const action of actions) await this.#execute(action);
        return;
      } catch (error) {
        // Invalid: the address has just been given out, most likely to the Service that another server has made.
        if (!isReason(error, 'AlreadyExists', 'Conflict', 'NotFound', 'Invalid') || look === LOOKS_MAX) throw error;
      }
    }
  }

  async #plan(servers: readonly ServerAddress[], resourceVersion: '0' | ''): Promise<readonly ServiceAction[]> {
    const { registry, service } = this.#options;
    const find = (resource: 'services' | 'endpoints') =>
      registry.get(refOf(resource, SERVICE_NAME), resourceVersion).catch((error: unknown): undefined => {
        if (!isReason(error, 'NotFound')) throw error;
      });
    const labelSelector = `${SERVICE_NAME_LABEL}=${SERVICE_NAME}`;
    const [known, endpoints, slices] = await Promise.all([
      find('services'),
      find('endpoints'),
      registry.list(refOf('endpointslices', ''), { labelSelector, resourceVersion }),
    ]);
    return planKubernetesService({ servers, service: known, endpoints, slices: slices.items }, service);
  }

  async #execute({ verb, resource, object }: ServiceAction): Promise<void> {
    const { registry, log } = this.#options;
    const ref = refOf(resource, verb === 'create' ? '' : object.metadata.name);
    log.debug({ verb, kind: object.kind, name: object.metadata.name }, 'kubernetes service: written');
    if (verb === 'delete') await registry.delete(ref, { preconditions: { uid: object.metadata.uid } });
    else if (verb === 'create') await registry.create(ref, object, { fieldManager: MANAGER });
    else await registry.update(ref, object, { fieldManager: MANAGER });
  }
}

function refOf(resource: ServiceAction['resource'], name: string): Ref {
  const { group, version } = infoOf(resource);
  return { group, version, resource, namespace: SERVICE_NAMESPACE, name, subresource: '' };
}
