/** Stock clients on a store of three members: grpcurl by reflection, and etcdctl in the versions that are at hand. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, type TestContext } from 'vitest';
import { connect } from '../../src/grpc/channel.ts';
import { Lock } from '../../src/proto/etcd.ts';
import { findTool, requireTool, startStoreCluster, type StoreCluster } from '../processes.ts';

const execute = promisify(execFile);

let cluster: StoreCluster;
let endpoints: string;

beforeAll(async () => {
  cluster = await startStoreCluster({ members: 3 });
  endpoints = cluster.members.map(({ clientAddress }) => clientAddress).join(',');
});
afterAll(() => cluster.stop());

describe('grpcurl', () => {
  const run = async (context: TestContext, method: string, data?: unknown): Promise<string> => {
    const grpcurl = requireTool('grpcurl', context.skip);
    const body = data === undefined ? [] : ['-d', JSON.stringify(data)];
    const address = cluster.members[0]!.clientAddress;
    return (await execute(grpcurl, ['-plaintext', ...body, address, ...method.split(' ')])).stdout;
  };
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  test('lists and describes the services by reflection', async (context) => {
    const services = (await run(context, 'list')).trim().split('\n');
    expect(services).toEqual(
      expect.arrayContaining(
        ['KV', 'Watch', 'Lease', 'Cluster', 'Maintenance'].map((name) => `etcdserverpb.${name}`),
      ),
    );
    expect(services).toContain('grpc.health.v1.Health');
    expect(await run(context, 'describe etcdserverpb.RangeRequest')).toContain('bytes range_end = 2;');
  });

  test('puts and gets; a failure has its code and text', async (context) => {
    await run(context, 'etcdserverpb.KV/Put', { key: base64('grpcurl/a'), value: base64('1') });
    const got: unknown = JSON.parse(await run(context, 'etcdserverpb.KV/Range', { key: base64('grpcurl/a') }));
    expect(got).toMatchObject({ count: '1', kvs: [{ key: base64('grpcurl/a'), value: base64('1'), version: '1' }] });
    const failed = run(context, 'etcdserverpb.KV/Put', { value: base64('1') });
    await expect(failed).rejects.toMatchObject({
      stderr: expect.stringMatching(/Code: InvalidArgument\s+Message: etcdserver: key is not provided/) as string,
    });
  });

  test('watches', async (context) => {
    const client = cluster.client();
    const { header } = await client.put({ key: Buffer.from('grpcurl/w'), value: Buffer.from('1') });
    const request = { create_request: { key: base64('grpcurl/w'), start_revision: header!.revision } };
    const grpcurl = requireTool('grpcurl', context.skip);
    const address = cluster.members[1]!.clientAddress;
    const args = ['-plaintext', '-d', JSON.stringify(request), address, 'etcdserverpb.Watch/Watch'];
    // It has sent all that it will, and the watch goes on, as etcd's does.
    const child = spawn(grpcurl, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill();
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    await expect.poll(() => output, { timeout: 10_000 }).toContain(base64('1'));
    expect(output).toContain('"created": true');
    await client.put({ key: Buffer.from('grpcurl/w'), value: Buffer.from('live') });
    await expect.poll(() => output, { timeout: 10_000 }).toContain(base64('live'));
  });

  test('asks for health', async (context) => {
    expect(JSON.parse(await run(context, 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
  });
});

const versions = [...new Set([findTool('etcdctl'), '/usr/bin/etcdctl'])].filter(
  (path): path is string => path !== undefined && existsSync(path),
);

test('etcdctl is at hand', (context) => {
  requireTool('etcdctl', context.skip);
});

describe.each(versions)('%s', (etcdctl) => {
  const run = async (...args: readonly string[]): Promise<string> => {
    const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints };
    return (await execute(etcdctl, [...args], { env })).stdout.trim();
  };
  const prefix = `${etcdctl}/`;

  test('put, get, del', async () => {
    expect(await run('put', `${prefix}a`, '1')).toBe('OK');
    expect(await run('put', `${prefix}b`, '2')).toBe('OK');
    expect(await run('get', '--prefix', prefix)).toBe(`${prefix}a\n1\n${prefix}b\n2`);
    expect(await run('get', '--prefix', '--keys-only', '--limit', '1', prefix)).toBe(`${prefix}a`);
    expect(await run('del', '--prefix', prefix)).toBe('2');
  });

  test('txn', async () => {
    const child = spawn(etcdctl, ['txn'], {
      env: { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    child.stdin.end(`mod("${prefix}t") = "0"\n\nput ${prefix}t new\nget ${prefix}t\n\nput ${prefix}t old\n\n`);
    await new Promise((resolve) => child.once('exit', resolve));
    expect(output).toContain(`SUCCESS`);
    expect(output).toContain(`${prefix}t\nnew`);
  });

  test('watch, from a revision and live', async () => {
    const client = cluster.client();
    const key = Buffer.from(`${prefix}w`);
    const { header } = await client.put({ key, value: Buffer.from('first') });
    const child = spawn(etcdctl, ['watch', '--rev', String(header!.revision), `${prefix}w`], {
      env: { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      child.kill();
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    await expect.poll(() => output, { timeout: 10_000 }).toBe(`PUT\n${prefix}w\nfirst\n`);
    await client.deleteRange({ key });
    await expect.poll(() => output, { timeout: 10_000 }).toBe(`PUT\n${prefix}w\nfirst\nDELETE\n${prefix}w\n\n`);
  });

  test('lease', async () => {
    const [, id] = /^lease ([0-9a-f]+) granted with TTL\(60s\)$/.exec(await run('lease', 'grant', '60')) ?? [];
    expect(await run('put', `--lease=${id}`, `${prefix}l`, '1')).toBe('OK');
    expect(await run('lease', 'timetolive', '--keys', id!)).toMatch(/granted with TTL\(60s\), remaining\(\d+s\), attached keys/);
    expect(await run('lease', 'keep-alive', '--once', id!)).toBe(`lease ${id} keepalived with TTL(60)`);
    expect(await run('lease', 'revoke', id!)).toBe(`lease ${id} revoked`);
    expect(await run('get', `${prefix}l`)).toBe('');
  });

  /** A client that holds until it is told to end. */
  const hold = (...args: readonly string[]) => {
    const env = { ...process.env, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: endpoints };
    const child = spawn(etcdctl, [...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    return {
      output: () => output,
      end: async () => {
        child.kill('SIGINT');
        await ended;
      },
    };
  };

  test('lock: one holds, the next waits, also for one that the Lock service gave it to', async () => {
    const name = `${prefix}lock`;
    const first = hold('lock', name);
    await expect.poll(first.output, { timeout: 10_000 }).toMatch(new RegExp(`^${name}/[0-9a-f]+\n`));
    const second = hold('lock', name);
    const client = cluster.client();
    const queue = { key: Buffer.from(`${name}/`), rangeEnd: Buffer.from(`${name}0`), countOnly: true };
    await expect.poll(async () => (await client.range(queue)).count, { timeout: 10_000 }).toBe(2);
    const channel = connect({ addresses: [cluster.members[1]!.clientAddress] });
    onTestFinished(() => channel.close());
    const third = channel.unary(Lock.methods.lock, { name: Buffer.from(name) });
    await expect.poll(async () => (await client.range(queue)).count, { timeout: 10_000 }).toBe(3);
    expect(second.output()).toBe('');
    await first.end();
    await expect.poll(second.output, { timeout: 10_000 }).toMatch(/\/[0-9a-f]+\n/);
    await second.end();
    const { key } = await third;
    expect((await client.range(queue)).count).toBe(1);
    await channel.unary(Lock.methods.unlock, { key });
    expect(await run('lock', name, 'echo', 'held')).toContain('held');
  });

  test('elect: the second candidate leads after the first; a listener sees both', async () => {
    const name = `${prefix}election`;
    const first = hold('elect', name, 'one');
    await expect.poll(first.output, { timeout: 10_000 }).toContain('one');
    const listener = hold('elect', '--listen', name);
    await expect.poll(listener.output, { timeout: 10_000 }).toContain('one');
    const second = hold('elect', name, 'two');
    const client = cluster.client();
    const queue = { key: Buffer.from(`${name}/`), rangeEnd: Buffer.from(`${name}0`), countOnly: true };
    await expect.poll(async () => (await client.range(queue)).count, { timeout: 10_000 }).toBe(2);
    expect(second.output()).toBe('');
    await first.end();
    await expect.poll(second.output, { timeout: 10_000 }).toContain('two');
    await expect.poll(listener.output, { timeout: 10_000 }).toContain('two');
    await second.end();
  });

  test('compaction', async () => {
    await run('put', `${prefix}c`, '1');
    const { header } = JSON.parse(await run('get', `${prefix}c`, '-w', 'json')) as { header: { revision: number } };
    await run('put', `${prefix}c`, '2');
    expect(await run('compact', String(header.revision))).toBe(`compacted revision ${header.revision}`);
    await expect(run('get', '--rev', String(header.revision - 1), `${prefix}c`)).rejects.toMatchObject({
      stderr: expect.stringContaining('etcdserver: mvcc: required revision has been compacted') as string,
    });
  });

  test('member list, endpoint status and health', async () => {
    expect((await run('member', 'list')).split('\n').map((line) => line.split(', ')[2])).toEqual(
      expect.arrayContaining(['m1', 'm2', 'm3']),
    );
    expect(await run('endpoint', 'status', '-w', 'table')).toMatch(/\| +true \|/);
    const health = JSON.parse(await run('endpoint', 'health', '-w', 'json')) as { health: boolean }[];
    expect(health.map((one) => one.health)).toEqual([true, true, true]);
    expect(await run('alarm', 'list')).toBe('');
  });
});
