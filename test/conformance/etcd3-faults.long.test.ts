/**
 * The etcd3 client of npm while members are killed and started again: its watchers go on with nothing lost or doubled,
 * leases and elections outlive the leader, a killed candidate is followed by the next; and users with passwords, whose
 * tokens are renewed.
 */
import { spawn } from 'node:child_process';
import {
  EtcdAuthenticationFailedError,
  EtcdPermissionDeniedError,
  EtcdRoleExistsError,
  EtcdUserNotFoundError,
  type Etcd3,
} from 'etcd3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ROOT, startStoreCluster, untilServing, type StoreCluster } from '../processes.ts';
import { etcd3Of, thrownBy } from './etcd3-client.ts';

const TIMEOUT = { timeout: 30_000 };

describe('members that are killed', () => {
  let cluster: StoreCluster;
  let client: Etcd3;

  beforeAll(async () => {
    cluster = await startStoreCluster({ members: 3 });
    client = etcd3Of(cluster);
  });
  afterAll(async () => {
    client.close();
    await cluster.stop();
  });

  test('watchers go on over three restarts, the leader among them: every event once, in order', async () => {
    const store = cluster.client();
    const { header } = await store.put({ key: Buffer.from('w/0'), value: Buffer.from('0') });
    const startRevision = String(header!.revision);
    const seen: string[] = [];
    let reconnected = 0;
    const watcher = client.watch().prefix('w/').startRevision(startRevision).watcher();
    watcher.on('put', (kv) => seen.push(`${kv.mod_revision} put ${String(kv.key)}=${String(kv.value)}`));
    watcher.on('delete', (kv) => seen.push(`${kv.mod_revision} delete ${String(kv.key)}`));
    watcher.on('disconnected', () => reconnected++);
    let isWriting = true;
    let written = 0;
    const writing = (async () => {
      for (let n = 1; isWriting; n++) {
        // What is not acknowledged may have happened: the history below says.
        const done = n % 5 === 0
          ? store.deleteRange({ key: Buffer.from('w/'), rangeEnd: Buffer.from('w0') })
          : store.put({ key: Buffer.from(`w/${n % 7}`), value: Buffer.from(String(n)) });
        await done.then(() => written++, () => undefined);
      }
    })();
    // Each in turn, so that the one that the watch is at is among them.
    for (const [at, member] of cluster.members.entries()) {
      const before = written;
      await member.kill();
      await expect.poll(() => written, TIMEOUT).toBeGreaterThan(before + 20);
      member.start();
      await untilServing(cluster.clientOf(at), member);
    }
    isWriting = false;
    await writing;
    const last = await store.put({ key: Buffer.from('w/last'), value: Buffer.from('x') });
    const all: string[] = [];
    for await (const { events } of store.watch({ key: Buffer.from('w/'), rangeEnd: Buffer.from('w0'), startRevision: header!.revision })) {
      for (const { type, kv } of events) {
        const key = Buffer.from(kv!.key).toString();
        all.push(type === 0 ? `${kv!.modRevision} put ${key}=${Buffer.from(kv!.value).toString()}` : `${kv!.modRevision} delete ${key}`);
      }
      if (events.some(({ kv }) => kv!.modRevision === last.header!.revision)) break;
    }
    await expect.poll(() => seen.length, TIMEOUT).toBeGreaterThanOrEqual(all.length);
    expect(seen).toEqual(all);
    expect(reconnected).toBeGreaterThan(0);
    await watcher.cancel();
  });

  test('a lease that is kept alive outlives the leader; so does the lock that hangs on it', async () => {
    const lease = client.lease(4);
    let lost = 0;
    lease.on('lost', () => lost++);
    await lease.put('lease/a').value('1');
    const lock = await client.lock('lease/lock').ttl(4).acquire();
    const leader = await cluster.leader();
    const renewed = new Promise((resolve) => setTimeout(() => lease.once('keepaliveSucceeded', resolve), 5_000));
    await cluster.members[leader]!.kill();
    // Longer than the lease's time, so that it must have been renewed at the next leader.
    await renewed;
    expect([lost, await client.getAll().prefix('lease/').count()]).toEqual([0, 2]);
    cluster.members[leader]!.start();
    await untilServing(cluster.clientOf(leader), cluster.members[leader]!);
    await lock.release();
    await lease.revoke();
    expect(await client.getAll().prefix('lease/').count()).toBe(0);
  });

  test('a candidate that is killed is followed by the next when its lease ends, over a change of the leader', async () => {
    const hosts = JSON.stringify(cluster.members.map(({ clientAddress }) => `http://${clientAddress}`));
    const script = `const { Etcd3 } = await import('etcd3');
      const campaign = new Etcd3({ hosts: ${hosts} }).election('killed', 2).campaign('first');
      await campaign.wait(); console.log('elected');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    await expect.poll(() => output, TIMEOUT).toContain('elected');
    const election = client.election('killed', 10);
    const observer = await election.observe();
    await expect.poll(() => observer.leader(), TIMEOUT).toBe('first');
    const second = election.campaign('second');
    const elected = second.wait();
    const leader = await cluster.leader();
    await cluster.members[leader]!.kill();
    child.kill('SIGKILL');
    await elected;
    await expect.poll(() => observer.leader(), TIMEOUT).toBe('second');
    cluster.members[leader]!.start();
    await untilServing(cluster.clientOf(leader), cluster.members[leader]!);
    await second.resign();
    await observer.cancel();
  });
});

describe('users', () => {
  let cluster: StoreCluster;
  let admin: Etcd3;
  let user: Etcd3;

  beforeAll(async () => {
    cluster = await startStoreCluster({ members: 3, args: ['--auth-token-ttl=1'] });
    admin = etcd3Of(cluster);
  });
  afterAll(async () => {
    admin.close();
    user?.close();
    await cluster.stop();
  });

  test('root is made and authentication turned on; a wrong password is told', async () => {
    const root = await admin.user('root').create('root-password');
    await root.addRole('root');
    await admin.auth.authEnable();
    admin.close();
    admin = etcd3Of(cluster, { auth: { username: 'root', password: 'root-password' } });
    await admin.put('a').value('1');
    const anonymous = etcd3Of(cluster);
    expect((await thrownBy(anonymous.get('a').exec())).message).toContain('etcdserver: user name is empty');
    anonymous.close();
    const wrong = etcd3Of(cluster, { auth: { username: 'root', password: 'wrong' } });
    expect(await thrownBy(wrong.get('a').exec())).toBeInstanceOf(EtcdAuthenticationFailedError);
    wrong.close();
  });

  test('roles with their permissions, users with their roles', async () => {
    const role = await admin.role('player').create();
    expect(await thrownBy(admin.role('player').create())).toBeInstanceOf(EtcdRoleExistsError);
    await role.grant([
      { permission: 'Readwrite', range: admin.range({ prefix: 'own/' }) },
      { permission: 'Read', key: 'shared' },
    ]);
    expect((await role.permissions()).map(({ permission, range }) => [permission, String(range.start), String(range.end)])).toEqual([
      ['Readwrite', 'own/', 'own0'],
      ['Read', 'shared', ''],
    ]);
    const anna = await admin.user('anna').create('before');
    await anna.setPassword('after');
    await role.addUser('anna');
    expect((await anna.roles()).map(({ name }) => name)).toEqual(['player']);
    expect((await admin.getUsers()).map(({ name }) => name)).toEqual(['anna', 'root']);
    expect((await admin.getRoles()).map(({ name }) => name)).toContain('player');
    expect(await thrownBy(admin.user('nobody').roles())).toBeInstanceOf(EtcdUserNotFoundError);
    user = etcd3Of(cluster, { auth: { username: 'anna', password: 'after' } });
  });

  test('a user may do what the roles allow; tokens that have run out are renewed', async () => {
    await admin.put('shared').value('1');
    await user.put('own/a').value('1');
    expect(await user.get('shared')).toBe('1');
    expect(await thrownBy(user.put('shared').value('2').exec())).toBeInstanceOf(EtcdPermissionDeniedError);
    expect(await thrownBy(user.getAll().exec())).toBeInstanceOf(EtcdPermissionDeniedError);
    const mixed = user.if('own/a', 'Version', '>', 0).then(user.put('shared').value('2')).commit();
    expect(await thrownBy(mixed)).toBeInstanceOf(EtcdPermissionDeniedError);
    const seen: string[] = [];
    const watcher = await user.watch().prefix('own/').create();
    watcher.on('put', ({ value }) => seen.push(String(value)));
    const lease = user.lease(5);
    await lease.put('own/leased').value('leased');
    // Past the time of a token, three times, at whichever member.
    for (const value of ['2', '3', '4']) {
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      await user.put('own/a').value(value);
    }
    await expect.poll(() => seen, TIMEOUT).toEqual(['leased', '2', '3', '4']);
    await lease.revoke();
    expect(await user.get('own/leased')).toBeNull();
    await watcher.cancel();
  });

  test('what is taken away is gone at once', async () => {
    const role = admin.role('player');
    await role.revoke({ permission: 'Readwrite', range: admin.range({ prefix: 'own/' }) });
    expect(await thrownBy(user.put('own/a').value('5').exec())).toBeInstanceOf(EtcdPermissionDeniedError);
    await role.removeUser('anna');
    expect(await thrownBy(user.get('shared').exec())).toBeInstanceOf(EtcdPermissionDeniedError);
    await admin.user('anna').delete();
    await role.delete();
    expect((await admin.getUsers()).map(({ name }) => name)).toEqual(['root']);
    await admin.auth.authDisable();
    const anonymous = etcd3Of(cluster);
    expect(await anonymous.get('own/a')).toBe('4');
    anonymous.close();
  });
});
