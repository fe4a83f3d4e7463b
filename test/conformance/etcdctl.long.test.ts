/**
 * The commands of etcdctl that need more than one store, or talk back: make-mirror in all directions, interactive txn and
 * watch, lease keep-alive, move-leader, endpoint hashkv, member, user, role and auth, all output formats. With a current
 * etcdctl and with the one of apt. The plain commands are in clients.long.test.ts.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { RangeResponse } from '../../src/proto/etcd.ts';
import { findTool, ROOT, startStoreCluster, type StoreCluster } from '../processes.ts';

const execute = promisify(execFile);
const TIMEOUT = { timeout: 15_000 };
const current = findTool('etcdctl');
const versions = [...new Set([current, '/usr/bin/etcdctl'])].filter((path): path is string => path !== undefined && existsSync(path));
const hasEtcd = findTool('etcd') !== undefined;

test('etcd and etcdctl are at hand', (context) => {
  if (versions.length > 0 && hasEtcd) return;
  if (process.env['CI'] !== undefined) throw new Error('etcd or etcdctl is not installed: run .ci/install-test-clients');
  context.skip('etcd or etcdctl is not installed: run .ci/install-test-clients');
});

describe.skipIf(versions.length === 0 || !hasEtcd)('etcdctl', () => {
  let cluster: StoreCluster;
  let other: StoreCluster;
  let etcd: StoreCluster;

  beforeAll(async () => {
    const options = [{ members: 3 }, { members: 1 }, { kind: 'etcd', members: 1 }] as const;
    [cluster, other, etcd] = await Promise.all([startStoreCluster(options[0]), startStoreCluster(options[1]), startStoreCluster(options[2])]);
  });
  afterAll(() => Promise.all([cluster, other, etcd].map((each) => each.stop())));

  describe.each(versions)('%s', (etcdctl) => {
    const isCurrent = etcdctl === current;
    const envOf = (store: StoreCluster) => ({
      ...process.env,
      ETCDCTL_API: '3',
      ETCDCTL_ENDPOINTS: store.members.map(({ clientAddress }) => clientAddress).join(','),
    });
    const at = async (store: StoreCluster, ...args: readonly string[]) => (await execute(etcdctl, [...args], { env: envOf(store) })).stdout.trim();
    const run = (...args: readonly string[]) => at(cluster, ...args);
    /** What it says as it fails. */
    const refused = (...args: readonly string[]): Promise<string> =>
      run(...args).then(
        (output) => Promise.reject(new Error(`it did not fail: ${output}`)),
        (error: unknown) => (error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)),
      );
    /** One that runs until it is told to end; `type` writes a line to it. */
    const hold = (...args: readonly string[]) => {
      const child = spawn(etcdctl, [...args], { env: envOf(cluster), stdio: ['pipe', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()));
      onTestFinished(() => {
        child.kill('SIGKILL');
      });
      return { output: () => output, type: (line: string) => child.stdin.write(`${line}\n`), close: () => child.stdin.end() };
    };
    const own = (name: string) => `${isCurrent ? 'new' : 'old'}/${name}`;

    test.each([
      ['ours to ours', () => [cluster, other]],
      ['ours to etcd', () => [cluster, etcd]],
      ['etcd to ours', () => [etcd, other]],
    ] as const)('make-mirror, %s: what is there, then what changes, under another prefix', async (name, stores) => {
      const [from, to] = stores() as [StoreCluster, StoreCluster];
      const [source, copy] = [own(`source ${name}/`), own(`copy ${name}/`)];
      await at(from, 'put', `${source}a`, '1');
      await at(from, 'put', `${source}b`, '2');
      await at(from, 'put', own('outside'), 'x');
      const args = ['make-mirror', '--prefix', source, '--dest-prefix', copy, to.members[0]!.clientAddress];
      const mirror = spawn(etcdctl, args, { env: envOf(from), stdio: 'ignore' });
      onTestFinished(() => {
        mirror.kill('SIGKILL');
      });
      const mirrored = () => at(to, 'get', '--prefix', copy);
      await expect.poll(mirrored, TIMEOUT).toBe(`${copy}a\n1\n${copy}b\n2`);
      await at(from, 'put', `${source}c`, '3');
      await at(from, 'del', `${source}a`);
      await expect.poll(mirrored, TIMEOUT).toBe(`${copy}b\n2\n${copy}c\n3`);
    });

    test('txn, interactively', async () => {
      const session = hold('txn', '--interactive');
      for (const line of [`create("${own('t')}") = "0"`, '', `put ${own('t')} made`, `get ${own('t')}`, '', `get ${own('t')}`, '']) session.type(line);
      await expect.poll(session.output, TIMEOUT).toMatch(/compares:[^]*success requests[^]*failure requests[^]*SUCCESS\n\nOK\n\n.*\nmade/);
    });

    test('watch, interactively: several in one session, cancelled by number', async () => {
      const session = hold('watch', '--interactive');
      session.type(`watch ${own('w1')}`);
      session.type(`watch --prefix ${own('w2/')}`);
      // It says nothing when it watches: what is written again and again is seen at some time.
      await expect.poll(async () => (await run('put', own('w1'), 'one'), session.output()), TIMEOUT).toContain(`${own('w1')}\none`);
      await expect.poll(async () => (await run('put', own('w2/x'), 'two'), session.output()), TIMEOUT).toContain(`${own('w2/x')}\ntwo`);
      session.type('progress');
      await expect.poll(session.output, TIMEOUT).toMatch(/progress notify: \d+/);
    });

    test('lease keep-alive goes on; lease list names it', async () => {
      const [, id = ''] = /^lease ([0-9a-f]+)/.exec(await run('lease', 'grant', '2')) ?? [];
      const alive = hold('lease', 'keep-alive', id);
      await expect.poll(() => alive.output().split('\n').length, TIMEOUT).toBeGreaterThanOrEqual(4);
      expect(await run('lease', 'list')).toContain(id);
      expect(await run('lease', 'revoke', id)).toBe(`lease ${id} revoked`);
      await expect.poll(alive.output, TIMEOUT).toContain(`lease ${id} expired or revoked`);
    });

    test('move-leader, and hashkv of all members', async () => {
      await run('put', own('h'), 'x');
      const status = JSON.parse(await run('endpoint', 'status', '-w', 'json')) as { Status: { header: { member_id: number }; leader: number } }[];
      // As text: these ids do not fit a JavaScript number.
      const members = (await run('member', 'list')).split('\n').map((line) => line.split(', ')[0]!);
      const leader = status.findIndex(({ Status }) => Status.header.member_id === Status.leader);
      const names = (await run('member', 'list')).split('\n').map((line) => line.split(', ')[2]!);
      const target = members[names.indexOf(cluster.members[(leader + 1) % 3]!.name)]!;
      expect(await run('move-leader', target)).toMatch(new RegExp(`Leadership transferred from [0-9a-f]+ to ${target}`));
      await expect.poll(() => cluster.leader(), TIMEOUT).toBe((leader + 1) % 3);
      const hashes = async () => {
        const all = JSON.parse(await run('endpoint', 'hashkv', '-w', 'json')) as { HashKV: { hash: number; compact_revision: number } }[];
        return [all.length, new Set(all.map(({ HashKV }) => HashKV.hash)).size];
      };
      await expect.poll(hashes, TIMEOUT).toEqual([3, 1]);
    });

    test('member add, update, promote, remove', async () => {
      let added = '';
      // Refused until all have been connected for a while, as in etcd.
      const add = () => run('member', 'add', own('m').replace('/', '-'), '--learner', '--peer-urls=http://127.0.0.1:1');
      await expect.poll(async () => (added = await add().catch(String)), TIMEOUT).toContain('added to cluster');
      const [, id = ''] = /Member +([0-9a-f]+) added to cluster/.exec(added) ?? [];
      expect(added).toContain('ETCD_INITIAL_CLUSTER_STATE="existing"');
      expect(await run('member', 'update', id, '--peer-urls=http://127.0.0.1:2')).toMatch(/updated in cluster/);
      expect(await refused('member', 'promote', id)).toContain('can only promote a learner member which is in sync with leader');
      expect(await run('member', 'list', '-w', 'table')).toMatch(/\| +unstarted +\|.*127\.0\.0\.1:2 +\| +\| +true +\|/);
      expect(await run('member', 'remove', id)).toMatch(/removed from cluster/);
      expect((await run('member', 'list')).split('\n')).toHaveLength(3);
    });

    test('every output format', async () => {
      await run('put', own('f'), 'value');
      const json = JSON.parse(await run('get', own('f'), '-w', 'json')) as { count: number; kvs: { value: string }[] };
      expect([json.count, Buffer.from(json.kvs[0]!.value, 'base64').toString()]).toEqual([1, 'value']);
      expect(await run('get', own('f'), '-w', 'fields')).toMatch(/"Key" : ".*f"\n[^]*"Value" : "value"[^]*"Count" : 1/);
      const { stdout } = await execute(etcdctl, ['get', own('f'), '-w', 'protobuf'], { env: envOf(cluster), encoding: 'buffer' });
      expect(Buffer.from(RangeResponse.decode(stdout).kvs[0]!.value).toString()).toBe('value');
      expect(await run('endpoint', 'status', '-w', 'fields')).toContain('"Version" : "3.7.0"');
      expect(await run('put', own('f'), 'value', '-w', 'json')).toContain('"revision"');
      expect(await run('version')).toMatch(/etcdctl version: 3\.\d+/);
    });

    test('user, role and auth: every command', async () => {
      const [user, role] = [own('user').replace('/', '-'), own('role').replace('/', '-')];
      expect(await run('user', 'add', `${user}:one`)).toBe(`User ${user} created`);
      expect(await run('user', 'add', `${user}-cn`, '--no-password')).toBe(`User ${user}-cn created`);
      expect(await refused('user', 'add', `${user}:one`)).toContain('etcdserver: user name already exists');
      expect(await run('role', 'add', role)).toBe(`Role ${role} created`);
      expect(await run('role', 'grant-permission', role, 'readwrite', own('k'))).toBe(`Role ${role} updated`);
      expect(await run('role', 'grant-permission', role, '--prefix', 'read', own('p/'))).toBe(`Role ${role} updated`);
      expect(await run('role', 'get', role)).toMatch(/KV Read:[^]*p\/[^]*KV Write:[^]*k/);
      expect(await run('role', 'list')).toContain(role);
      expect(await run('user', 'grant-role', user, role)).toBe(`Role ${role} is granted to user ${user}`);
      expect(await run('user', 'get', user)).toMatch(new RegExp(`User: ${user}\nRoles: ${role}`));
      expect(await run('user', 'get', user, '--detail')).toContain('KV Read:');
      expect(await run('user', 'list')).toContain(`${user}-cn`);
      const passwd = hold('user', 'passwd', user, '--interactive=false');
      passwd.type('two');
      passwd.close();
      await expect.poll(passwd.output, TIMEOUT).toContain('Password updated');
      expect(await run('user', 'add', 'root:secret')).toContain('root');
      await run('user', 'grant-role', 'root', 'root');
      expect(await run('auth', 'enable')).toContain('Authentication Enabled');
      try {
        if (isCurrent) expect(await run('--user', 'root:secret', 'auth', 'status')).toMatch(/Authentication Status: true/);
        expect(await run('--user', `${user}:two`, 'put', own('k'), '1')).toBe('OK');
        expect(await refused('--user', `${user}:one`, 'get', own('k'))).toContain('authentication failed, invalid user ID or password');
        expect(await refused('--user', `${user}:two`, 'put', own('p/a'), '1')).toContain('etcdserver: permission denied');
      } finally {
        expect(await run('--user', 'root:secret', 'auth', 'disable')).toContain('Authentication Disabled');
      }
      expect(await run('user', 'revoke-role', user, role)).toBe(`Role ${role} is revoked from user ${user}`);
      expect(await run('role', 'revoke-permission', role, own('k'))).toMatch(/Permission of key .* is revoked from role/);
      expect(await run('role', 'delete', role)).toBe(`Role ${role} deleted`);
      for (const name of [user, `${user}-cn`, 'root']) expect(await run('user', 'delete', name)).toBe(`User ${name} deleted`);
      expect(await refused('user', 'get', user)).toContain('etcdserver: user name not found');
    });

    test('a saved snapshot is ours: podium reads it, etcd says that it cannot', async () => {
      const file = join(cluster.dir, `${isCurrent ? 'new' : 'old'}.db`);
      const first = ['--endpoints', cluster.members[0]!.clientAddress];
      const { stdout } = await execute(etcdctl, [...first, 'snapshot', 'save', file], { env: { ...process.env, ETCDCTL_API: '3' } });
      expect(stdout).toContain(`Snapshot saved at ${file}`);
      const main = join(ROOT, 'dist', 'src', 'main.js');
      const status = await execute(process.execPath, [main, 'store', 'snapshot', 'status', file, '-w', 'json']);
      expect(JSON.parse(status.stdout)).toMatchObject({ revision: expect.any(Number) as number });
      expect(await refused('snapshot', 'status', file)).toMatch(/invalid database|file size too small/);
    });
  });
});
