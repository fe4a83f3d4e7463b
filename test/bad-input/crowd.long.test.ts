/**
 * Ten thousand connections to one member, and more than its process may have files: it keeps serving those it has, and
 * the others never notice. What a connection costs has a bound; what is too many is hung up on, and does not take the
 * files away that the log and the database need.
 */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { pssOf } from '../bench/memory.ts';
import { startStoreCluster, type StoreCluster } from '../processes.ts';
import { Crowd } from './crowd.ts';

const CONNECTIONS = 10_000;
/** Measured: about 10 KiB, most of it the socket's; 21 KiB on grpc-js. */
const CONNECTION_KIB_MAX = 64;
const ANSWER_WITHIN_MS = 2000;

let cluster: StoreCluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

/** At every member, the crowded one included. */
async function expectAllServing({ members, clientOf }: StoreCluster): Promise<void> {
  for (const [at, { name }] of members.entries()) {
    const key = Buffer.from(`from ${name}`);
    const value = Buffer.from(String(process.hrtime.bigint()));
    await clientOf(at).put({ key, value }, { timeoutMs: ANSWER_WITHIN_MS });
    const { kvs } = await clientOf(at).range({ key }, { timeoutMs: ANSWER_WITHIN_MS });
    expect(kvs.map((kv) => Buffer.from(kv.value))).toEqual([value]);
  }
}

/** Of processes that are started from here; Node.js has raised what it may by itself. */
function openFilesMax(): number {
  const [, soft] = /^Max open files\s+(\w+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))!;
  return soft === 'unlimited' ? Infinity : Number(soft);
}

test('10,000 connections to one member: bounded memory, everybody is served, and it is given back', async ({ skip }) => {
  const files = openFilesMax();
  if (files < CONNECTIONS * 1.5) {
    const reason = `${files} open files are too few for ${CONNECTIONS} connections: raise ulimit -Hn`;
    if (process.env['CI'] === undefined) skip(reason);
    throw new Error(reason);
  }
  cluster = await startStoreCluster({ members: 3 });
  const { members } = cluster;
  const at = await cluster.leader();
  await expectAllServing(cluster);
  const before = pssOf(members[at]!.pid!);
  crowd = new Crowd(members[at]!.clientAddress);
  await crowd.grow(CONNECTIONS);
  await expectAllServing(cluster);
  expect(crowd.size).toBe(CONNECTIONS);
  expect(crowd.ended).toBe(0);
  const perConnectionKib = ((pssOf(members[at]!.pid!) - before) * 1024) / CONNECTIONS;
  expect(perConnectionKib).toBeGreaterThan(1);
  expect(perConnectionKib).toBeLessThan(CONNECTION_KIB_MAX);
  crowd.leave();
  // Whoever comes afterwards finds room: what the first ones took does not add up.
  await crowd.grow(CONNECTIONS / 2);
  await expectAllServing(cluster);
  expect(((pssOf(members[at]!.pid!) - before) * 1024) / CONNECTIONS).toBeLessThan(CONNECTION_KIB_MAX);
});

test('more connections than the process may have files: the rest are hung up on, and log and database go on', async () => {
  const files = 600;
  cluster = await startStoreCluster({ prefix: ['sh', '-c', `ulimit -n ${files}; exec "$@"`, 'sh'] });
  const [member] = cluster.members;
  await expectAllServing(cluster);
  crowd = new Crowd(member!.clientAddress);
  await crowd.grow(files * 2);
  // Those that were hung up on are told so by the system a little later.
  await vi.waitFor(() => expect(crowd!.size).toBeLessThan(files), { timeout: 10_000 });
  expect(crowd.size).toBeGreaterThan(files / 3);
  const value = Buffer.alloc(64 * 1024, 'v');
  // More than the first file of the log, and than what the database keeps in memory.
  for (let number = 0; number < 200; number++) await cluster.clientOf(0).put({ key: Buffer.from(`much/${number}`), value });
  await expectAllServing(cluster);
  crowd.leave();
  const newcomers = new Crowd(member!.clientAddress);
  await newcomers.grow(100);
  expect(newcomers.size).toBe(100);
  newcomers.leave();
});
