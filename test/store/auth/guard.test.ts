/**
 * Who may do what: at the door, and again where a command is applied, on every member alike.
 *
 * #14571 of etcd (enabling auth makes members differ) is among them, "the log". Its cause: a member that a snapshot had
 * restored did not load what roles permit; it refused the users' writes that all others applied. Put back: AuthState.load
 * passes over the rows of roles (auth/core/auth-state.ts). Failed: behind the first snapshot with a role in it the revision
 * is 1 where all others are at 3.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Auth, Cluster, KV, Lease, Watch, type TxnRequest, type WatchCreateRequest } from '../../../src/proto/etcd.ts';
import { RpcCode, type Channel } from '../../../src/proto/rpc.ts';
import type { Init } from '../../../src/proto/wire.ts';
import { createJwt } from '../../../src/store/auth/jwt.ts';
import { encodeProposal } from '../../../src/store/mvcc/command.ts';
import { openSnapshot, restoreSnapshot } from '../../../src/store/mvcc/snapshot.ts';
import { StateMachine } from '../../../src/store/state-machine.ts';
import { SingleStore } from '../kv-service/single.ts';
import { PlainBackend } from '../mvcc/plain-backend.ts';
import { bytes, compareOf, deleteOf, op, putOf, rangeOf, txnOf } from '../mvcc/requests.ts';
import { scryptHasher } from '../../../src/store/auth/passwords.ts';
import { connectSecured, enableAuth, tokenOf } from './secured.ts';

let store: SingleStore;
let channel: Channel;
let root: Record<string, string>;
let user: Record<string, string>;

beforeEach(async () => {
  store = await SingleStore.open();
  channel = connectSecured(store);
  await enableAuth(channel);
  root = await tokenOf(channel, 'root');
  user = await tokenOf(channel, 'u');
});

const denied = { code: RpcCode.PERMISSION_DENIED, message: 'etcdserver: permission denied' };
const userEmpty = { code: RpcCode.INVALID_ARGUMENT, message: 'etcdserver: user name is empty' };
const badToken = { code: RpcCode.UNAUTHENTICATED, message: 'etcdserver: invalid auth token' };
const oldRevision = { code: RpcCode.INVALID_ARGUMENT, message: 'etcdserver: revision of auth store is old' };

const put = (key: string, metadata?: Record<string, string>, rest = {}) =>
  channel.unary(KV.methods.put, putOf(key, '1', rest), { metadata });
const get = (key: string, metadata?: Record<string, string>, rangeEnd = '') =>
  channel.unary(KV.methods.range, rangeOf(key, rangeEnd), { metadata });
const remove = (key: string, metadata: Record<string, string>, rest = {}) =>
  channel.unary(KV.methods.deleteRange, deleteOf(key, '', rest), { metadata });
const txn = (request: TxnRequest) => channel.unary(KV.methods.txn, request as Init<TxnRequest>, { metadata: user });

/** The first answer to a watcher. */
async function watch(create: Init<WatchCreateRequest>, metadata: Record<string, string>) {
  const call = channel.bidi(Watch.methods.watch, { metadata });
  call.send({ requestUnion: { case: 'createRequest', value: create } });
  for await (const response of call.responses) return response;
  throw new Error('no answer');
}

describe('a key-value call', () => {
  test('needs a user, and a token that is one', async () => {
    await expect(put('b')).rejects.toMatchObject(userEmpty);
    await expect(get('b')).rejects.toMatchObject(userEmpty);
    await expect(get('b', { token: 'nonsense.1' })).rejects.toMatchObject(badToken);
    expect((await put('b', { authorization: user['token']! })).header?.revision).toBe(2);
  });

  test('reads and writes what was granted and nothing else; root does everything', async () => {
    await put('r', root);
    await expect(put('r', user)).rejects.toMatchObject(denied);
    expect((await get('r', user)).kvs).toHaveLength(1);
    await put('w', user);
    await expect(get('w', user)).rejects.toMatchObject(denied);
    await expect(get('r', user, 't')).rejects.toMatchObject(denied);
    await expect(get('r', user, '\0')).rejects.toMatchObject(denied);
    expect((await get('\0', root, '\0')).count).toBe(2);
  });

  test('previous values are reads', async () => {
    await put('w', root);
    await expect(put('w', user, { prevKv: true })).rejects.toMatchObject(denied);
    await expect(remove('w', user, { prevKv: true })).rejects.toMatchObject(denied);
    expect((await remove('w', user)).deleted).toBe(1);
    await put('b', user, { prevKv: true });
  });

  test('compaction is root’s', async () => {
    await put('b', root);
    const compact = (metadata: Record<string, string>) =>
      channel.unary(KV.methods.compact, { revision: 2 }, { metadata });
    await expect(compact(user)).rejects.toMatchObject(denied);
    await compact(root);
  });

  test('a streamed range is checked like a range', async () => {
    const read = async () => {
      for await (const _ of channel.serverStream(KV.methods.rangeStream, rangeOf('a', 'z'), { metadata: user })) return;
    };
    await expect(read()).rejects.toMatchObject(denied);
  });
});

describe('a transaction', () => {
  const isB = compareOf({ key: bytes('b') });

  test.each<[string, TxnRequest]>([
    ['a compare', txnOf([compareOf({ key: bytes('w') })], [])],
    ['a compare of a range', txnOf([compareOf({ key: bytes('b'), rangeEnd: bytes('z') })], [])],
    ['the branch that runs', txnOf([isB], [op.put(putOf('r', '1'))])],
    ['the branch that does not', txnOf([isB], [], [op.range(rangeOf('w'))])],
    ['a nested one', txnOf([], [op.txn(txnOf([], [op.txn(txnOf([], [], [op.delete(deleteOf('r'))]))]))])],
    ['a nested compare', txnOf([], [op.txn(txnOf([compareOf({ key: bytes('w') })], []))])],
    ['a previous value inside (CVE-2026-44283)', txnOf([], [op.put(putOf('w', '1', { prevKv: true }))])],
    ['a deleted value inside', txnOf([], [op.delete(deleteOf('w', '', { prevKv: true }))])],
    ['only reads', txnOf([], [op.range(rangeOf('w'))])],
  ])('%s is checked', async (_, request) => {
    await expect(txn(request)).rejects.toMatchObject(denied);
    expect(store.machine.revision).toBe(1);
  });

  test('runs where all of it is granted', async () => {
    const request = txnOf([isB], [op.put(putOf('w', '1'))], [op.put(putOf('b', '1')), op.range(rangeOf('r'))]);
    expect((await txn(request)).succeeded).toBe(true);
  });

  test('a lease inside with keys of others on it (CVE-2026-44283)', async () => {
    await channel.unary(Lease.methods.leaseGrant, { id: 5n, ttl: 60 }, { metadata: root });
    await put('r', root, { lease: 5n });
    await expect(txn(txnOf([], [op.put(putOf('w', '1', { lease: 5n }))]))).rejects.toMatchObject(denied);
  });
});

describe('a lease', () => {
  beforeEach(async () => {
    await channel.unary(Lease.methods.leaseGrant, { id: 5n, ttl: 60 }, { metadata: user });
    await put('w', user, { lease: 5n });
  });
  const revoke = () => channel.unary(Lease.methods.leaseRevoke, { id: 5n }, { metadata: user });
  const ask = (keys: boolean) => channel.unary(Lease.methods.leaseTimeToLive, { id: 5n, keys }, { metadata: user });

  test('is joined and revoked by whoever may write all of its keys', async () => {
    await put('b', user, { lease: 5n });
    await put('r', root, { lease: 5n });
    await expect(put('b', user, { lease: 5n })).rejects.toMatchObject(denied);
    await expect(revoke()).rejects.toMatchObject(denied);
    await remove('r', root);
    await revoke();
    expect(store.machine.mvcc.get('w')).toBeUndefined();
  });

  test('tells its keys to whoever may read them', async () => {
    expect((await ask(false)).grantedTtl).toBe(60);
    await expect(ask(true)).rejects.toMatchObject(denied);
    await remove('w', user);
    await put('b', user, { lease: 5n });
    expect((await ask(true)).keys.map(String)).toEqual([String(bytes('b'))]);
  });

  test('is kept alive for as long as its caller is a user', async () => {
    const call = channel.bidi(Lease.methods.leaseKeepAlive, { metadata: user });
    const answers = call.responses[Symbol.asyncIterator]();
    call.send({ id: 5n });
    expect((await answers.next()).value).toMatchObject({ ttl: 60 });
    await channel.unary(Auth.methods.userDelete, { name: 'u' }, { metadata: root });
    call.send({ id: 5n });
    await expect(answers.next()).rejects.toMatchObject(badToken);
  });

  test('is not kept alive by nobody once authentication is on', async () => {
    await channel.unary(Auth.methods.authDisable, {}, { metadata: root });
    const call = channel.bidi(Lease.methods.leaseKeepAlive);
    const answers = call.responses[Symbol.asyncIterator]();
    call.send({ id: 5n });
    expect((await answers.next()).value).toMatchObject({ ttl: 60 });
    await channel.unary(Auth.methods.authEnable, {});
    call.send({ id: 5n });
    await expect(answers.next()).rejects.toMatchObject(userEmpty);
  });

  test('cannot be granted without a user', async () => {
    await expect(channel.unary(Lease.methods.leaseGrant, { ttl: 60 })).rejects.toMatchObject(userEmpty);
    await expect(channel.unary(Lease.methods.leaseLeases, {})).rejects.toMatchObject(userEmpty);
  });
});

describe('a watcher', () => {
  const text = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';

  test('is made where it may read, and refused elsewhere in a message', async () => {
    expect(await watch({ key: bytes('r') }, user)).toMatchObject({ created: true, canceled: false });
    expect(await watch({ key: bytes('r'), rangeEnd: bytes('s') }, user)).toMatchObject({ canceled: false });
    const refused = { created: true, canceled: true, watchId: -1, cancelReason: text };
    expect(await watch({ key: bytes('w') }, user)).toMatchObject(refused);
    expect(await watch({ key: bytes('r'), rangeEnd: bytes('\0') }, user)).toMatchObject(refused);
    expect(await watch({ rangeEnd: bytes('\0') }, user)).toMatchObject(refused);
    expect(await watch({ key: bytes('r') }, {})).toMatchObject({
      cancelReason: 'rpc error: code = InvalidArgument desc = etcdserver: user name is empty',
    });
  });

  test('goes on when the permission is taken back, as with etcd, and the next one is refused', async () => {
    const call = channel.bidi(Watch.methods.watch, { metadata: user });
    const answers = call.responses[Symbol.asyncIterator]();
    const create = { requestUnion: { case: 'createRequest', value: { key: bytes('r') } } } as const;
    call.send(create);
    expect((await answers.next()).value).toMatchObject({ created: true, canceled: false });
    const revoke = { role: 'role', key: bytes('r'), rangeEnd: bytes('s') };
    await channel.unary(Auth.methods.roleRevokePermission, revoke, { metadata: root });
    await put('r', root);
    expect((await answers.next()).value).toMatchObject({ events: [{ kv: { modRevision: 2 } }] });
    call.send(create);
    expect((await answers.next()).value).toMatchObject({ canceled: true, cancelReason: text });
    call.cancel();
  });

  test('of one key with an empty end sees that key alone (GHSA-xg4h-6gfc-h4m8)', async () => {
    const call = channel.bidi(Watch.methods.watch, { metadata: user });
    call.send({ requestUnion: { case: 'createRequest', value: { key: bytes('r'), rangeEnd: bytes('') } } });
    const answers = call.responses[Symbol.asyncIterator]();
    expect((await answers.next()).value).toMatchObject({ created: true, canceled: false });
    await put('s', root);
    await put('r', root);
    const { value } = (await answers.next()) as { value: { events: { kv?: { key: Uint8Array } }[] } };
    expect(value.events.map(({ kv }) => String(kv?.key))).toEqual([String(bytes('r'))]);
    call.cancel();
  });
});

describe('management', () => {
  test('is root’s; everybody sees himself', async () => {
    const { methods } = Auth;
    await expect(
      channel.unary(methods.userAdd, { name: 'x', password: 'x' }, { metadata: user }),
    ).rejects.toMatchObject(denied);
    await expect(channel.unary(methods.userList, {}, { metadata: user })).rejects.toMatchObject(denied);
    await expect(channel.unary(methods.authStatus, {})).rejects.toMatchObject(userEmpty);
    await expect(channel.unary(methods.userGet, { name: 'root' }, { metadata: user })).rejects.toMatchObject(denied);
    expect((await channel.unary(methods.userGet, { name: 'u' }, { metadata: user })).roles).toEqual(['role']);
    expect((await channel.unary(methods.roleGet, { role: 'role' }, { metadata: user })).perm).toHaveLength(3);
    expect(await channel.unary(methods.authStatus, {}, { metadata: root })).toMatchObject({
      enabled: true,
      authRevision: 9,
    });
    await expect(channel.unary(Cluster.methods.memberAdd, {}, { metadata: user })).rejects.toMatchObject(denied);
    await channel.unary(Cluster.methods.memberList, {}, { metadata: user });
    await channel.unary(methods.authDisable, {}, { metadata: root });
    await put('anything');
  });

  test('root cannot be taken away while authentication is on', async () => {
    const bad = { message: 'etcdserver: invalid auth management' };
    const { methods } = Auth;
    await expect(channel.unary(methods.userDelete, { name: 'root' }, { metadata: root })).rejects.toMatchObject(bad);
    await expect(channel.unary(methods.roleDelete, { role: 'root' }, { metadata: root })).rejects.toMatchObject(bad);
    const revoke = channel.unary(methods.userRevokeRole, { name: 'root', role: 'root' }, { metadata: root });
    await expect(revoke).rejects.toMatchObject(bad);
  });
});

describe('a token', () => {
  test('is for a password that is right, and for a user that has one', async () => {
    const failed = { message: 'etcdserver: authentication failed, invalid user ID or password' };
    const ask = (name: string, password: string) => channel.unary(Auth.methods.authenticate, { name, password });
    await expect(ask('u', 'wrong')).rejects.toMatchObject(failed);
    await expect(ask('nobody', '')).rejects.toMatchObject(failed);
    await channel.unary(Auth.methods.userAdd, { name: 'n', options: { noPassword: true } }, { metadata: root });
    await expect(ask('n', '')).rejects.toMatchObject(failed);
  });

  test('is refused after as much work for a name that is no user’s as for a wrong password', async () => {
    const hasher = scryptHasher(2);
    const compared: string[] = [];
    channel = connectSecured(store, {
      hasher: { ...hasher, verify: (password, hashed) => compared.push(hashed) > 0 && hasher.verify(password, hashed) },
    });
    await channel.unary(Auth.methods.userAdd, { name: 'n', options: { noPassword: true } }, { metadata: root });
    for (const name of ['u', 'nobody', 'n']) {
      await expect(channel.unary(Auth.methods.authenticate, { name, password: 'wrong' })).rejects.toThrow('authentication failed');
    }
    const costOf = (hashed: string) => hashed.split('$').slice(0, 3).join('$');
    expect(compared.map(costOf)).toEqual(['$scrypt$2', '$scrypt$2', '$scrypt$2']);
    expect(compared.slice(1)).toEqual([hasher.nobody, hasher.nobody]);
  });

  test('ends with a change of the password, and five minutes after its last use', async () => {
    await channel.unary(Auth.methods.userChangePassword, { name: 'u', password: 'u-password' }, { metadata: root });
    await expect(put('b', user)).rejects.toMatchObject(badToken);
    user = await tokenOf(channel, 'u');
    await store.clock.advance(299_000);
    await put('b', user);
    await store.clock.advance(299_000);
    await put('b', user);
    await store.clock.advance(300_000);
    await expect(put('b', user)).rejects.toMatchObject(badToken);
  });

  test('is good after rules have changed, and for what they then say', async () => {
    const revoke = { role: 'role', key: bytes('b'), rangeEnd: bytes('c') };
    await channel.unary(Auth.methods.roleRevokePermission, revoke, { metadata: root });
    await expect(put('b', user)).rejects.toMatchObject(denied);
    await put('w', user);
  });

  test('a write that was let in by older rules is decided by the new ones', async () => {
    const propose = store.propose.bind(store);
    let isFirst = true;
    store.propose = async (command, credentials) => {
      if (isFirst && command.kind === 'put') {
        isFirst = false;
        const change = { case: 'roleAdd', value: { name: 'between' } } as const;
        await propose({ kind: 'auth', request: { change } }, { subject: { case: 'store', value: true } });
        const stale = await propose(command, credentials);
        expect(stale).toEqual({ ok: false, code: 'auth-old-revision' });
        return stale;
      }
      return propose(command, credentials);
    };
    expect((await put('b', user)).header?.revision).toBe(2);
  });

  test('a read that finds other rules when its member has caught up is decided by them', async () => {
    await put('b', root);
    store.linearizable = async () => {
      const change = { case: 'roleDelete', value: { role: 'role' } } as const;
      await store.propose({ kind: 'auth', request: { change } }, { subject: { case: 'store', value: true } });
    };
    // His token went with the role.
    await expect(get('b', user)).rejects.toMatchObject(badToken);
  });

  test('a read without a user that began before authentication was on is refused', async () => {
    await channel.unary(Auth.methods.authDisable, {}, { metadata: root });
    store.linearizable = async () => {
      await store.propose({ kind: 'auth', request: { change: { case: 'enable', value: {} } } });
    };
    await expect(get('b')).rejects.toMatchObject(userEmpty);
  });

  test('jwt: at the revision that it was issued at', async () => {
    const jwt = createJwt({ method: 'HS256', privateKey: Buffer.from('secret'), ttlMs: 1000 });
    channel = connectSecured(store, { tokens: { kind: 'jwt', jwt } });
    user = await tokenOf(channel, 'u');
    await put('b', user);
    await expect(put('r', user)).rejects.toMatchObject(denied);
    root = await tokenOf(channel, 'root');
    await channel.unary(Auth.methods.roleAdd, { name: 'other' }, { metadata: root });
    await expect(put('b', user)).rejects.toMatchObject(oldRevision);
    await put('b', await tokenOf(channel, 'u'));
  });
});

test('the name in a certificate is a user, where clients must show one', async () => {
  const asU = { clientCertAuth: true, identity: 'u' };
  channel = connectSecured(store, asU);
  await put('b');
  await expect(put('r')).rejects.toMatchObject(denied);
  await expect(put('b', { 'grpcgateway-accept': 'application/json' })).rejects.toMatchObject(userEmpty);
  await put('r', root);
  channel = connectSecured(store, { ...asU, clientCertAuth: false });
  await expect(put('b')).rejects.toMatchObject(userEmpty);
});

describe('the log', () => {
  test('#14571: a member that a snapshot has restored applies what users may do as all others', async () => {
    const first = await StateMachine.open(new PlainBackend());
    const logged: Uint8Array[] = [];
    const single = new SingleStore(first);
    const apply = single.propose.bind(single);
    single.propose = (command, credentials) => {
      logged.push(encodeProposal({ id: 1n, command, credentials }));
      return apply(command, credentials);
    };
    channel = connectSecured(single);
    await enableAuth(channel);
    expect(await single.propose({ kind: 'put', request: putOf('a', '1') })).toEqual({ ok: false, code: 'user-empty' });
    await put('b', await tokenOf(channel, 'u'));
    root = await tokenOf(channel, 'root');
    await channel.unary(Auth.methods.roleRevokePermission, { role: 'role', key: bytes('w'), rangeEnd: bytes('x') }, { metadata: root });
    await put('b', await tokenOf(channel, 'u'));
    expect(first.revision).toBe(3);

    for (let at = 0; at <= logged.length; at++) {
      const other = await restoredAfter(logged.slice(0, at));
      for (const [more, data] of logged.slice(at).entries()) other.apply({ index: at + more + 1, term: 1, data });
      expect([at, other.revision, other.hashAll()]).toEqual([at, 3, first.hashAll()]);
    }
  });

  test('the store ends leases in its own name', async () => {
    await channel.unary(Lease.methods.leaseGrant, { id: 5n, ttl: 60 }, { metadata: root });
    expect(await store.propose({ kind: 'lease-revoke', request: { id: 5n } })).toEqual({
      ok: false,
      code: 'user-empty',
    });
    const credentials = { subject: { case: 'store', value: true } } as const;
    expect(await store.propose({ kind: 'lease-revoke', request: { id: 5n } }, credentials)).toMatchObject({ ok: true });
  });
});

/** A member that was sent the snapshot of one that has applied these. */
async function restoredAfter(entries: readonly Uint8Array[]): Promise<StateMachine> {
  const sender = new PlainBackend();
  const machine = await StateMachine.open(sender);
  for (const [at, data] of entries.entries()) machine.apply({ index: at + 1, term: 1, data });
  await sender.batch(machine.takeBatch().ops);
  machine.batchLanded();
  const receiver = new PlainBackend();
  const open = await openSnapshot(sender);
  if (open !== undefined) await restoreSnapshot(receiver, open.read(0));
  await open?.close();
  return StateMachine.open(receiver);
}
