/** A store of one behind its guard, and its users. */
import { silentLog } from '../../../src/base/log.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { Auth, Cluster, KV, Lease, Permission_Type, Watch } from '../../../src/proto/etcd.ts';
import { bind, type Channel } from '../../../src/proto/rpc.ts';
import { simpleTokenScheme, type TokenScheme } from '../../../src/store/auth/auth-token.ts';
import { guarded, Guard } from '../../../src/store/auth/guard.ts';
import { scryptHasher, type PasswordHasher } from '../../../src/store/auth/passwords.ts';
import { AUTH_NEEDS, CLUSTER_NEEDS, KV_NEEDS, LEASE_NEEDS } from '../../../src/store/auth/service-needs.ts';
import { kvHandlers } from '../../../src/store/kv-service/kv.ts';
import { leaseHandlers } from '../../../src/store/kv-service/lease.ts';
import { watchHandlers } from '../../../src/store/kv-service/watch.ts';
import { authHandlers } from '../../../src/store/rpc/auth.ts';
import { mapStoreError } from '../../../src/store/rpc/errors.ts';
import type { SingleStore } from '../kv-service/single.ts';
import { bytes } from '../mvcc/requests.ts';

export interface SecuredOptions {
  readonly tokens?: TokenScheme;
  readonly hasher?: PasswordHasher;
  readonly clientCertAuth?: boolean;
  /** The common name of the callers' certificate. */
  readonly identity?: string;
}

export function connectSecured(store: SingleStore, options: SecuredOptions = {}): Channel {
  const { clock } = store;
  const { leases } = store.machine;
  const { tokens = simpleTokenScheme(), clientCertAuth = false, identity, hasher = scryptHasher(2) } = options;
  const random = seededRandom(1);
  const guard = new Guard({ core: store, clock, tokens, clientCertAuth });
  const lease = {
    random,
    renewLease: async (id: bigint) => leases.renew(id, clock.monotonic()),
    leaseRemaining: async (id: bigint) => leases.remainingSeconds(id, clock.monotonic()),
  };
  const services = [
    guarded(guard, KV_NEEDS, (core) => bind(KV, kvHandlers(core), mapStoreError)),
    bind(Watch, watchHandlers(store, { clock, random, refuse: guard.refuseWatch.bind(guard) }), mapStoreError),
    guarded(guard, LEASE_NEEDS, (core) => bind(Lease, leaseHandlers(core, lease), mapStoreError)),
    guarded(guard, AUTH_NEEDS, (core) => bind(Auth, authHandlers(core, { clock, hasher, tokens }), mapStoreError)),
    guarded(guard, CLUSTER_NEEDS, () =>
      bind(Cluster, { memberList: () => ({ members: [] }), memberAdd: () => ({ members: [] }) }, mapStoreError),
    ),
  ];
  return directChannel({ services, clock, log: silentLog, ...(identity === undefined ? {} : { identity }) });
}

export async function tokenOf(channel: Channel, name: string): Promise<Record<string, string>> {
  const { token } = await channel.unary(Auth.methods.authenticate, { name, password: `${name}-password` });
  return { token };
}

/** Root, and a user `u` that may read `r…`, write `w…`, and both of `b…`; authentication is on. */
export async function enableAuth(channel: Channel): Promise<void> {
  const { methods } = Auth;
  for (const name of ['root', 'u']) await channel.unary(methods.userAdd, { name, password: `${name}-password` });
  await channel.unary(methods.roleAdd, { name: 'role' });
  const grants = [
    [Permission_Type.READ, 'r', 's'],
    [Permission_Type.WRITE, 'w', 'x'],
    [Permission_Type.READWRITE, 'b', 'c'],
  ] as const;
  for (const [permType, key, rangeEnd] of grants) {
    const perm = { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) };
    await channel.unary(methods.roleGrantPermission, { name: 'role', perm });
  }
  await channel.unary(methods.userGrantRole, { user: 'u', role: 'role' });
  await channel.unary(methods.userGrantRole, { user: 'root', role: 'root' });
  await channel.unary(methods.authEnable, {});
}
