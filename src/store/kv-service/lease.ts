/** etcdserverpb.Lease. Grants and revokes go through the log; how much time is left only the leader knows. */
import { fromLatin1 } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Lease } from '../../proto/etcd.ts';
import type { Handlers } from '../../proto/rpc.ts';
import { LEASE_TTL_SECONDS_MAX, type LeaseId } from '../lease/core/lessor.ts';
import { StoreError } from '../rpc/errors.ts';
import { headerAt, requireLeader, run, type StoreCore } from './core.ts';

/** Half as long again as an election of a second takes, in whole seconds: a shorter lease might end with its leader. */
export const LEASE_TTL_SECONDS_MIN = 2;

export interface LeaseOptions {
  readonly random: Random;
  /** Asks the leader, wherever it is. Seconds that the lease now has; undefined if there is no such lease. */
  readonly renewLease: (id: LeaseId) => Promise<number | undefined>;
  readonly leaseRemaining: (id: LeaseId) => Promise<number | undefined>;
  readonly ttlSecondsMin?: number;
}

export function leaseHandlers(core: StoreCore, options: LeaseOptions): Handlers<typeof Lease> {
  const { random, renewLease, leaseRemaining, ttlSecondsMin = LEASE_TTL_SECONDS_MIN } = options;
  return {
    async leaseGrant({ id, ttl }, context) {
      requireLeader(core, context);
      if (ttl > LEASE_TTL_SECONDS_MAX) throw new StoreError('lease-ttl-too-large');
      const request = { id: id === 0n ? freeId(core, random) : id, ttl: Math.max(ttl, ttlSecondsMin) };
      const result = await run(core, { kind: 'lease-grant', request }, 'lease-grant');
      return { header: headerAt(core, result.revision), id: result.id, ttl: result.ttlSeconds };
    },
    async leaseRevoke({ id }, context) {
      requireLeader(core, context);
      const result = await run(core, { kind: 'lease-revoke', request: { id } }, 'lease-revoke');
      return { header: headerAt(core, result.revision) };
    },
    async *leaseKeepAlive(requests, context) {
      for await (const { id } of requests) {
        requireLeader(core, context);
        core.check?.();
        // A lease that is gone is told by a time of 0, not by an error.
        const ttl = await renewLease(id);
        yield { header: core.header(), id, ttl: ttl ?? 0 };
      }
    },
    async leaseTimeToLive({ id, keys }, context) {
      requireLeader(core, context);
      await core.linearizable(context.signal);
      // Read before anything else is awaited: these are the keys that the caller was just found to be allowed to see.
      const state = core.machine.leases.state(id);
      const ttl = await leaseRemaining(id);
      if (ttl === undefined || state === undefined) return { header: core.header(), id, ttl: -1 };
      return {
        header: core.header(),
        id,
        ttl,
        grantedTtl: state.grantedTtlSeconds,
        keys: keys ? state.keys.map(fromLatin1) : [],
      };
    },
    async leaseLeases(_request, context) {
      requireLeader(core, context);
      await core.linearizable(context.signal);
      return { header: core.header(), leases: core.machine.leases.list().map((id) => ({ id })) };
    },
  };
}

/** Positive, as etcd's are: clients print it as a signed number. */
function freeId(core: StoreCore, random: Random): LeaseId {
  for (;;) {
    const id = random.uint64() >> 1n;
    if (id !== 0n && !core.machine.leases.has(id)) return id;
  }
}
