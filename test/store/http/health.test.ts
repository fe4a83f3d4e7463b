/** What the probes of an orchestrator hear of a member that is not well: real HTTP, a cluster on a driven clock. */
import { createServer, type Server } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { AlarmAction, AlarmType, Maintenance } from '../../../src/proto/etcd.ts';
import { StoreMetrics } from '../../../src/store/http/metrics.ts';
import { storeHttp } from '../../../src/store/http/routes.ts';
import { startCluster, type TestCluster } from '../../../src/testing/cluster.ts';
import type { StorePart } from '../../../src/testing/store-part.ts';

let cluster: TestCluster;
let server: Server | undefined;
afterEach(async () => {
  server?.close();
  await cluster.stop();
});

/** Asks the member of a path; time moves for as long as it takes to answer. */
async function serve(part: StorePart): Promise<(path: string) => Promise<string>> {
  const metrics = new StoreMetrics(cluster.clock);
  metrics.addMember(part.member, 'wal');
  const listening = createServer(storeHttp({ member: part.member, metrics, log: silentLog }));
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return async (path) => {
    let answer: string | undefined;
    const asking = fetch(`http://127.0.0.1:${address.port}${path}`, { headers: { connection: 'close' } }).then(async (response) => {
      answer = `${response.status} ${await response.text()}`;
    });
    const untilMs = cluster.clock.monotonic() + 60_000;
    while (answer === undefined && cluster.clock.monotonic() < untilMs) await cluster.clock.advance(50);
    await asking;
    return answer!;
  };
}

async function raise(alarm: number, part: StorePart): Promise<void> {
  const channel = cluster.channel(part.name);
  const request = { action: AlarmAction.ACTIVATE, memberId: part.id, alarm };
  await cluster.clock.drive(channel.unary(Maintenance.methods.alarm, request), { what: 'the alarm to be raised' });
  channel.close();
}

const health = (reason: string) => (reason === '' ? '200 {"health":"true","reason":""}' : `503 {"health":"false","reason":"${reason}"}`);

test('without a leader a member is neither healthy nor ready, and lives', async () => {
  cluster = await startCluster({ nodes: 0 });
  const [part, ...others] = cluster.members as [StorePart, ...StorePart[]];
  const ask = await serve(part);
  expect([await ask('/health'), await ask('/readyz'), await ask('/livez')]).toEqual([health(''), '200 ok\n', '200 ok\n']);
  for (const other of others) other.kill();
  await cluster.until('it knows', () => part.member.leader === 0n);
  expect(await ask('/health')).toBe(health('RAFT NO LEADER'));
  expect(await ask('/health?serializable=true')).toBe(health(''));
  const failed = '[-]linearizable_read failed: etcdserver: no leader\n';
  expect(await ask('/readyz')).toBe(`503 [+]data_corruption ok\n[+]serializable_read ok\n${failed}[+]non_learner ok\nreadyz check failed\n`);
  expect(await ask('/readyz/linearizable_read')).toMatch(/^503 \[-\]linearizable_read failed/);
  expect(await ask('/readyz?exclude=linearizable_read')).toBe('200 ok\n');
  expect(await ask('/livez')).toBe('200 ok\n');
});

test('NOSPACE is no health, unless it is excluded; the member stays ready', async () => {
  cluster = await startCluster({ nodes: 0 });
  const part = cluster.member(1);
  const ask = await serve(part);
  await raise(AlarmType.NOSPACE, part);
  expect(await ask('/health')).toBe(health('ALARM NOSPACE'));
  expect(await ask('/health?exclude=NOSPACE')).toBe(health(''));
  expect(await ask('/health?exclude=CORRUPT')).toBe(health('ALARM NOSPACE'));
  expect([await ask('/readyz'), await ask('/livez')]).toEqual(['200 ok\n', '200 ok\n']);
});

test('CORRUPT is neither health nor readiness', async () => {
  cluster = await startCluster({ nodes: 0 });
  const part = cluster.member(1);
  const ask = await serve(part);
  await raise(AlarmType.CORRUPT, part);
  expect(await ask('/health?exclude=NOSPACE')).toBe(health('ALARM CORRUPT'));
  expect(await ask('/health?exclude=NOSPACE&exclude=CORRUPT')).toBe(health(''));
  const failed = '[-]data_corruption failed: alarm activated: CORRUPT\n';
  expect(await ask('/readyz')).toBe(`503 ${failed}[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nreadyz check failed\n`);
  expect(await ask('/readyz?exclude=data_corruption')).toBe('200 ok\n');
  expect(await ask('/livez')).toBe('200 ok\n');
});
