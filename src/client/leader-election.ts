/**
 * One of several candidates leads, by a Lease object. A candidate takes the lease when it is free, or when the lease
 * has not changed for its duration by the candidate's own monotonic clock: the times in the lease are for people, since
 * nobody's wall clock can be trusted. A leader stops acting `renewDeadlineMs` after its last renewal was *sent*; since
 * that is shorter than the lease's duration, it has stopped before anybody else begins.
 */
import { formatMicroTime, sleep, withDeadline, type Clock, type Millis } from '../base/clock.ts';
import { assert } from '../base/assert.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { inNamespace, resources, type ApiClient, type ResourceRef } from './api-client.ts';
import { isAlreadyExists, isConflict, isNotFound } from './api-error.ts';
import type { Lease } from './objects.ts';

export interface LeaderElectionTimings {
  readonly leaseDurationMs: Millis;
  readonly renewDeadlineMs: Millis;
  readonly retryPeriodMs: Millis;
}

/** As Kubernetes' components have them. */
export const DEFAULT_TIMINGS: LeaderElectionTimings = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
};

export interface LeaderElectionOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Unique among candidates and incarnations. */
  readonly identity: string;
  readonly leaseName: string;
  readonly leaseNamespace?: string;
  readonly timings?: LeaderElectionTimings;
  /** Called when leading begins; its signal fires when it ends, and it returns once nothing of it acts any more. */
  lead(signal: AbortSignal): Promise<void>;
}

interface Observed {
  readonly version: string;
  readonly atMs: Millis;
}

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #timings: LeaderElectionTimings;
  #observed: Observed | undefined;
  #lease: Lease | undefined;
  #isLeading = false;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#timings = options.timings ?? DEFAULT_TIMINGS;
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#timings;
    assert(leaseDurationMs > renewDeadlineMs && renewDeadlineMs > retryPeriodMs, 'lease > renew deadline > retry period');
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Stands for election until `signal` fires; gives the lease back on the way out. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const sentAtMs = this.#options.clock.monotonic();
      if ((await this.#tryAcquire()) === true) await this.#lead(sentAtMs, signal);
      if (!signal.aborted) await this.#pause(signal);
    }
  }

  async #lead(renewedAtMs: Millis, signal: AbortSignal): Promise<void> {
    const { clock, log, identity } = this.#options;
    const ended = new AbortController();
    const end = () => ended.abort();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    log.info({ identity, lease: this.#options.leaseName }, 'leader election: leading');
    this.#isLeading = true;
    const led = this.#options.lead(ended.signal).catch((error: unknown) => {
      log.error({ error: describeError(error) }, 'leader election: the leader failed');
    });
    const leads = led.then(end);
    let deadline = clock.setTimer(renewedAtMs + this.#timings.renewDeadlineMs - clock.monotonic(), end);
    while (!ended.signal.aborted) {
      await sleep(clock, this.#timings.retryPeriodMs, ended.signal).catch(() => undefined);
      if (ended.signal.aborted) break;
      const sentAtMs = clock.monotonic();
      const renewal = await this.#tryAcquire();
      if (renewal === 'lost') end();
      if (renewal !== true || ended.signal.aborted) continue;
      deadline.cancel();
      deadline = clock.setTimer(sentAtMs + this.#timings.renewDeadlineMs - clock.monotonic(), end);
    }
    deadline.cancel();
    signal.removeEventListener('abort', end);
    this.#isLeading = false;
    log.info({ identity, lease: this.#options.leaseName }, 'leader election: no longer leading');
    await leads;
    // Only now: whoever leads next must find nobody acting.
    await this.#release();
  }

  /** True: the lease is ours now. `lost`: it is somebody else's. False: unknown, try again. */
  async #tryAcquire(): Promise<boolean | 'lost'> {
    const { clock } = this.#options;
    const deadlineMs = this.#timings.renewDeadlineMs;
    try {
      return await withDeadline(this.#acquire(), { clock, deadlineMs, what: 'lease' });
    } catch (error) {
      if (isConflict(error) || isAlreadyExists(error)) return false;
      this.#options.log.debug({ error: describeError(error) }, 'leader election: the lease could not be had');
      return false;
    }
  }

  async #acquire(): Promise<boolean | 'lost'> {
    const { client, clock, identity, leaseName } = this.#options;
    const ref = inNamespace(resources.leases, this.#options.leaseNamespace ?? 'kube-system');
    if (this.#isLeading && this.#lease !== undefined && (await this.#renew(ref, this.#lease))) return true;
    const current = await client.get<Lease>(ref, leaseName).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (current === undefined) {
      this.#lease = await client.create<Lease>(ref, {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: leaseName, namespace: ref.namespace ?? '' },
        spec: this.#specOf(undefined),
      });
      return true;
    }
    this.#observe(current);
    const holder = current.spec?.holderIdentity ?? '';
    if (holder !== '' && holder !== identity) {
      if (this.#isLeading) return 'lost';
      const durationMs = (current.spec?.leaseDurationSeconds ?? 0) * 1000;
      if (clock.monotonic() - this.#observed!.atMs < durationMs) return false;
    }
    this.#lease = await client.update<Lease>(ref, { ...current, spec: this.#specOf(current) });
    return true;
  }

  /** The lease as we wrote it last, without reading it first: where nobody else wrote it, it is still ours. */
  async #renew(ref: ResourceRef, lease: Lease): Promise<boolean> {
    try {
      this.#lease = await this.#options.client.update<Lease>(ref, { ...lease, spec: this.#specOf(lease) });
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  #observe(lease: Lease): void {
    const version = `${lease.metadata.uid}/${lease.metadata.resourceVersion}`;
    if (this.#observed?.version === version) return;
    this.#observed = { version, atMs: this.#options.clock.monotonic() };
  }

  #specOf(current: Lease | undefined): NonNullable<Lease['spec']> {
    const { clock, identity } = this.#options;
    const now = formatMicroTime(clock.wall());
    const isRenewal = current?.spec?.holderIdentity === identity;
    const transitions = current?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#timings.leaseDurationMs / 1000),
      acquireTime: isRenewal ? (current?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: current === undefined || isRenewal ? transitions : transitions + 1,
    };
  }

  /** Lets the next candidate in at once. Where it fails, the lease runs out by itself. */
  async #release(): Promise<void> {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    const { client, clock } = this.#options;
    const now = formatMicroTime(clock.wall());
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: now };
    const ref = inNamespace(resources.leases, lease.metadata.namespace);
    await client.update<Lease>(ref, { ...lease, spec }).catch(() => undefined);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    // Candidates that wait alike would collide again and again.
    const delayMs = this.#timings.retryPeriodMs * (1 + 0.2 * random.float());
    await sleep(clock, delayMs, signal).catch(() => undefined);
  }
}
