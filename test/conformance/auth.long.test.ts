/**
 * Authentication as clients meet it, on clusters of its own since turning it on shuts everybody else out: the same calls
 * on Podium's store of one member and of three, and on a real etcd where one is installed; then etcdctl with --user.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/grpc/channel.ts';
import { Auth, KV, Lease, Permission_Type, Watch } from '../../src/proto/etcd.ts';
import { RpcCode, type Channel } from '../../src/proto/rpc.ts';
import type { Init } from '../../src/proto/wire.ts';
import type { TxnRequest, WatchCreateRequest } from '../../src/proto/etcd.ts';
import { findTool, requireTool, startStoreCluster, type StoreCluster, type StoreKind } from '../processes.ts';
import { bytes, compareOf, op, putOf, rangeOf, txnOf } from '../store/mvcc/requests.ts';

const execute = promisify(execFile);
const { methods } = Auth;
const FAILED_PRECONDITION = { code: RpcCode.FAILED_PRECONDITION };
const failed = (text: string) => ({ ...FAILED_PRECONDITION, message: `etcdserver: ${text}` });
const invalid = (text: string) => ({ code: RpcCode.INVALID_ARGUMENT, message: `etcdserver: ${text}` });
const denied = { code: RpcCode.PERMISSION_DENIED, message: 'etcdserver: permission denied' };

const subjects: readonly { readonly kind: StoreKind; readonly members: number }[] = [
  { kind: 'podium', members: 1 },
  { kind: 'podium', members: 3 },
  { kind: 'etcd', members: 1 },
];

for (const { kind, members } of subjects) {
  const isMissing = kind === 'etcd' && findTool('etcd') === undefined;
  describe.skipIf(isMissing)(`${kind}, ${members} members`, () => {
    let cluster: StoreCluster;
    let channels: Channel[];
    let asked = 0;
    /** Another member each time. */
    const next = () => channels[asked++ % channels.length]!;

    beforeAll(async () => {
      cluster = await startStoreCluster({ kind, members });
      channels = cluster.members.map(({ clientAddress }) => connect({ addresses: [clientAddress] }));
    });
    afterAll(async () => {
      for (const channel of channels) channel.close();
      await cluster.stop();
    });

    test('users and roles, and what is refused of them', async () => {
      await expect(next().unary(methods.authEnable, {})).rejects.toMatchObject(failed('root user does not exist'));
      await expect(next().unary(methods.authenticate, { name: 'u', password: 'x' })).rejects.toMatchObject(
        failed('authentication is not enabled'),
      );
      await expect(next().unary(methods.userAdd, { name: '', password: 'x' })).rejects.toMatchObject(
        invalid('user name is empty'),
      );
      await expect(next().unary(methods.roleAdd, { name: '' })).rejects.toMatchObject(invalid('role name is empty'));
      for (const name of ['root', 'u']) await next().unary(methods.userAdd, { name, password: `${name}-password` });
      await expect(next().unary(methods.userAdd, { name: 'u', password: 'x' })).rejects.toMatchObject(
        failed('user name already exists'),
      );
      await expect(next().unary(methods.authEnable, {})).rejects.toMatchObject(
        failed('root user does not have root role'),
      );
      await next().unary(methods.roleAdd, { name: 'role' });
      await expect(next().unary(methods.roleAdd, { name: 'role' })).rejects.toMatchObject(
        failed('role name already exists'),
      );
      for (const call of [methods.userGet, methods.userDelete]) {
        await expect(next().unary(call, { name: 'nobody' })).rejects.toMatchObject(failed('user name not found'));
      }
      for (const call of [methods.roleGet, methods.roleDelete]) {
        await expect(next().unary(call, { role: 'none' })).rejects.toMatchObject(failed('role name not found'));
      }
      await expect(next().unary(methods.userGrantRole, { user: 'u', role: 'none' })).rejects.toMatchObject(
        failed('role name not found'),
      );
      await expect(next().unary(methods.userRevokeRole, { name: 'u', role: 'role' })).rejects.toMatchObject(
        failed('role is not granted to the user'),
      );
      const revoked = next().unary(methods.roleRevokePermission, { role: 'role', key: bytes('a') });
      await expect(revoked).rejects.toMatchObject(failed('permission is not granted to the role'));
    });

    test('permissions are kept in order, one for each range', async () => {
      const grants = [
        [Permission_Type.READ, 'w', 'x'],
        [Permission_Type.READ, 'r', 's'],
        [Permission_Type.WRITE, 'w', 'x'],
        [Permission_Type.READWRITE, 'b', ''],
      ] as const;
      for (const [permType, key, rangeEnd] of grants) {
        const perm = { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) };
        await next().unary(methods.roleGrantPermission, { name: 'role', perm });
      }
      const { perm } = await next().unary(methods.roleGet, { role: 'role' });
      expect(
        perm.map(({ permType, key, rangeEnd }) => [permType, String(Buffer.from(key)), String(Buffer.from(rangeEnd))]),
      ).toEqual([
        [Permission_Type.READWRITE, 'b', ''],
        [Permission_Type.READ, 'r', 's'],
        [Permission_Type.WRITE, 'w', 'x'],
      ]);
      await next().unary(methods.userGrantRole, { user: 'u', role: 'role' });
      await next().unary(methods.userGrantRole, { user: 'u', role: 'role' });
      await next().unary(methods.userGrantRole, { user: 'root', role: 'root' });
      expect((await next().unary(methods.userGet, { name: 'u' })).roles).toEqual(['role']);
      expect((await next().unary(methods.userList, {})).users).toEqual(['root', 'u']);
      expect((await next().unary(methods.roleList, {})).roles).toEqual(['role']);
    });

    test('enabled, it asks who calls and what he may, on every member', async () => {
      await next().unary(KV.methods.put, putOf('w1', '1'));
      await next().unary(methods.authEnable, {});
      const tokenOf = async (name: string) => {
        const { token } = await next().unary(methods.authenticate, { name, password: `${name}-password` });
        return { metadata: { token } };
      };
      await expect(next().unary(methods.authenticate, { name: 'u', password: 'x' })).rejects.toMatchObject(
        invalid('authentication failed, invalid user ID or password'),
      );
      for (const channel of channels) {
        await expect(channel.unary(KV.methods.put, putOf('b', '1'))).rejects.toMatchObject(
          invalid('user name is empty'),
        );
        await expect(channel.unary(KV.methods.range, rangeOf('b'))).rejects.toMatchObject(
          invalid('user name is empty'),
        );
        await expect(
          channel.unary(KV.methods.range, rangeOf('b'), { metadata: { token: 'nonsense' } }),
        ).rejects.toMatchObject({ code: RpcCode.UNAUTHENTICATED, message: 'etcdserver: invalid auth token' });
      }
      const user = await tokenOf('u');
      const root = await tokenOf('root');
      for (const channel of channels) {
        await channel.unary(KV.methods.put, putOf('b', '1'), user);
        await channel.unary(KV.methods.put, putOf('w', '1'), user);
        expect((await channel.unary(KV.methods.range, rangeOf('r', 's'), user)).count).toBe(0);
        expect((await channel.unary(KV.methods.range, rangeOf('a', '\0'), root)).count).toBe(3);
        for (const refused of [
          () => channel.unary(KV.methods.put, putOf('r', '1'), user),
          () => channel.unary(KV.methods.put, putOf('w', '1', { prevKv: true }), user),
          () => channel.unary(KV.methods.range, rangeOf('w'), user),
          () => channel.unary(KV.methods.range, rangeOf('b', '\0'), user),
          () => channel.unary(KV.methods.range, rangeOf('r', 't'), user),
          () => channel.unary(KV.methods.txn, txnOf([compareOf({ key: bytes('w') })], []) as Init<TxnRequest>, user),
          () => channel.unary(KV.methods.txn, txnOf([], [], [op.put(putOf('r', '1'))]) as Init<TxnRequest>, user),
          () => channel.unary(methods.userList, {}, user),
          () => channel.unary(methods.userAdd, { name: 'x', password: 'x' }, user),
          () => channel.unary(methods.authDisable, {}, user),
        ]) {
          await expect(refused()).rejects.toMatchObject(denied);
        }
        expect((await channel.unary(methods.userGet, { name: 'u' }, user)).roles).toEqual(['role']);
      }
    });

    test('a lease that holds keys of others is not joined and not revoked', async () => {
      const { token } = await next().unary(methods.authenticate, { name: 'root', password: 'root-password' });
      const root = { metadata: { token } };
      const user = {
        metadata: { token: (await next().unary(methods.authenticate, { name: 'u', password: 'u-password' })).token },
      };
      const { id } = await next().unary(Lease.methods.leaseGrant, { ttl: 60 }, user);
      await next().unary(KV.methods.put, putOf('r1', '1', { lease: id }), root);
      await expect(next().unary(KV.methods.put, putOf('b', '1', { lease: id }), user)).rejects.toMatchObject(denied);
      await expect(next().unary(Lease.methods.leaseRevoke, { id }, user)).rejects.toMatchObject(denied);
      await next().unary(Lease.methods.leaseRevoke, { id }, root);
    });

    test('a watcher that may not read is told so', async () => {
      const { token } = await next().unary(methods.authenticate, { name: 'u', password: 'u-password' });
      const first = async (create: Init<WatchCreateRequest>) => {
        const call = next().bidi(Watch.methods.watch, { metadata: { token } });
        call.send({ requestUnion: { case: 'createRequest', value: create } });
        for await (const response of call.responses) return response;
        throw new Error('no answer');
      };
      expect(await first({ key: bytes('b') })).toMatchObject({ created: true, canceled: false });
      // Who may read one key is let watch from it on by an etcd before 3.7.1 (GHSA-xg4h-6gfc-h4m8): the one of apt.
      const fromKeyOn = kind === 'etcd' ? [] : [{ key: bytes('b'), rangeEnd: bytes('\0') }];
      for (const create of [{ key: bytes('w') }, ...fromKeyOn]) {
        expect(await first(create)).toMatchObject({
          ...{ created: true, canceled: true, watchId: -1 },
          cancelReason: 'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
        });
      }
    });

    test('root is kept, and turns it off', async () => {
      const { token } = await next().unary(methods.authenticate, { name: 'root', password: 'root-password' });
      const root = { metadata: { token } };
      await expect(next().unary(methods.userDelete, { name: 'root' }, root)).rejects.toMatchObject(
        invalid('invalid auth management'),
      );
      await next().unary(methods.authDisable, {}, root);
      await next().unary(KV.methods.put, putOf('anything', '1'));
    });

    test.skipIf(kind === 'etcd')('it outlives a restart', async () => {
      await next().unary(methods.authEnable, {});
      for (const member of cluster.members) {
        await member.kill();
        member.start();
      }
      const untilRefused = async (channel: Channel) =>
        channel.unary(KV.methods.range, rangeOf('b'), { timeoutMs: 5000 }).then(
          () => 'let in',
          (error: unknown) => (error instanceof Error ? error.message : ''),
        );
      for (const channel of channels) {
        await expect.poll(() => untilRefused(channel), { timeout: 30_000 }).toBe('etcdserver: user name is empty');
      }
      const { token } = await next().unary(methods.authenticate, { name: 'root', password: 'root-password' });
      await next().unary(methods.authDisable, {}, { metadata: { token } });
    });
  });
}

const versions = [...new Set([findTool('etcdctl'), '/usr/bin/etcdctl'])].filter(
  (path): path is string => path !== undefined && existsSync(path),
);

test('etcdctl is at hand', (context) => {
  requireTool('etcdctl', context.skip);
});

describe.each(versions)('%s --user', (etcdctl) => {
  test('adds users and roles, enables, and is let in or not', async () => {
    const cluster = await startStoreCluster({ members: 3 });
    const endpoints = cluster.members.map(({ clientAddress }) => clientAddress).join(',');
    const run = async (...args: readonly string[]) => {
      const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints };
      return (await execute(etcdctl, args, { env })).stdout.trim();
    };
    try {
      expect(await run('user', 'add', 'root:secret')).toBe('User root created');
      expect(await run('user', 'add', 'u:pw')).toBe('User u created');
      expect(await run('role', 'add', 'role')).toBe('Role role created');
      expect(await run('role', 'grant-permission', 'role', 'readwrite', '--prefix', 'b')).toBe('Role role updated');
      expect(await run('user', 'grant-role', 'u', 'role')).toBe('Role role is granted to user u');
      expect(await run('user', 'grant-role', 'root', 'root')).toBe('Role root is granted to user root');
      expect(await run('auth', 'enable')).toContain('Authentication Enabled');
      await expect(run('put', 'b1', '1')).rejects.toMatchObject({
        stderr: expect.stringContaining('etcdserver: user name is empty') as string,
      });
      const as = (user: string, ...args: readonly string[]) => run(`--user=${user}`, ...args);
      expect(await as('u:pw', 'put', 'b1', '1')).toBe('OK');
      expect(await as('u:pw', 'get', '--prefix', 'b')).toBe('b1\n1');
      await expect(as('u:pw', 'put', 'c', '1')).rejects.toMatchObject({
        stderr: expect.stringContaining('etcdserver: permission denied') as string,
      });
      await expect(as('u:wrong', 'get', 'b1')).rejects.toMatchObject({
        stderr: expect.stringContaining('authentication failed, invalid user ID or password') as string,
      });
      expect(await as('u:pw', 'user', 'get', 'u')).toBe('User: u\nRoles: role');
      expect(await as('root:secret', 'role', 'get', 'role')).toContain('[b, c) (prefix b)');
      expect(await as('root:secret', 'user', 'list')).toBe('root\nu');
      expect(await as('root:secret', 'auth', 'disable')).toBe('Authentication Disabled');
      expect(await run('put', 'c', '1')).toBe('OK');
    } finally {
      await cluster.stop();
    }
  });
});
