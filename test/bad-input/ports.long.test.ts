/**
 * Every port of a cluster of real processes is sent what it should never hear: noise, other protocols, broken HTTP/2 and
 * gRPC, 64 MiB at once, callers without a certificate. Each answers precisely or hangs up; afterwards every part still
 * serves, none has restarted, and what was written before is there.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pkiDir, readCluster } from '../../src/cluster/data-dir.ts';
import { ensurePki } from '../../src/base/pki.ts';
import { ProcessCluster } from '../e2e/cluster.ts';
import * as hostile from './hostile.ts';

const CONFIG_MAP = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {a: "1"}\n';

/** Part, base port, and a unary or server-streaming method that it serves. */
const PORTS: ReadonlyArray<readonly [name: string, port: number, method: string]> = [
  ['clients of store-1', 2379, '/etcdserverpb.KV/Range'],
  ['peers of store-1', 2380, '/podium.raft.v1.Peer/LeaseRemaining'],
  ['the API server', 6444, '/podium.api.v1.Resources/Get'],
  ['the scheduler', 10_259, '/grpc.health.v1.Health/Check'],
  ['the controllers', 10_257, '/grpc.health.v1.Health/Check'],
  ['node-1', 10_250, '/podium.node.v1.Node/Logs'],
];

const cluster = new ProcessCluster();
let before: unknown;
let tls: NonNullable<hostile.Target['tls']>;

const pem = (dir: string, name: string) => readFileSync(join(dir, name));
const processes = () => readCluster(cluster.dataDir)!.parts.map(({ name, pid, restarts }) => ({ name, pid, restarts }));

beforeAll(async () => {
  await cluster.up();
  await cluster.run('apply -f -', { stdin: CONFIG_MAP });
  const dir = pkiDir(cluster.dataDir);
  tls = { ca: pem(dir, 'ca.crt'), cert: pem(dir, 'admin.crt'), key: pem(dir, 'admin.key') };
  before = processes();
});

afterAll(() => cluster.remove());

async function expectAllServing(): Promise<void> {
  expect(processes()).toEqual(before);
  expect(await cluster.out('status')).not.toMatch(/NotReady|Down|Killed/);
  expect(await cluster.out('get configmap kept -o yaml')).toContain('a: "1"');
}

describe.each(PORTS)('%s', (_name, basePort, method) => {
  const bare = { host: '127.0.0.1', port: basePort + cluster.portBase };
  const target = () => ({ ...bare, tls });

  test('noise and other protocols are hung up on without a word', async () => {
    expect(await hostile.overTcp(bare, hostile.randomBytes('noise', 64 * 1024))).toHaveLength(0);
    expect(await hostile.overTcp(bare, Buffer.from('GET / HTTP/1.1\r\nhost: podium\r\n\r\n'))).toHaveLength(0);
    const http = await hostile.overTls(target(), Buffer.from('GET / HTTP/1.1\r\nhost: podium\r\nconnection: close\r\n\r\n'), 'http/1.1');
    // The store's client port speaks HTTP, too, and has nothing at /.
    if (basePort === 2379) expect(http.toString()).toContain('404 Not Found');
    else expect(http).toHaveLength(0);
  });

  test('who shows no certificate of the cluster is not let in', async () => {
    expect(await hostile.handshake({ ...bare, tls: { ca: tls.ca } })).toBe('tlsv13 alert certificate required');
    const other = join(cluster.dataDir, 'another-pki');
    await ensurePki(other, [{ name: 'admin', commonName: 'admin' }], new Date());
    const stranger = { ca: tls.ca, cert: pem(other, 'admin.crt'), key: pem(other, 'admin.key') };
    expect(await hostile.handshake({ ...bare, tls: stranger })).toMatch(/^(nothing|ECONNRESET)$/);
    const asked = await hostile.rawGrpc({ ...bare, tls: stranger }, { path: method, body: hostile.grpcFrame(Buffer.alloc(0)) });
    expect(asked).toMatchObject({ http: undefined, status: undefined });
    expect(await hostile.handshake(target())).toBe('welcome');
  });

  test('broken HTTP/2 is answered with a GOAWAY', async () => {
    for (const [what, code, bytes] of hostile.BROKEN_HTTP2) {
      const said = hostile.goawayCode(await hostile.overTls(target(), bytes));
      // Of the store's ports, by which server it runs.
      expect([code, hostile.rfcCode(what, code)], what).toContain(said);
    }
    await hostile.overTls(target(), hostile.PING_FLOOD);
  });

  test('broken gRPC is answered with what is wrong', async () => {
    for (const [what, request, answer] of hostile.BROKEN_REQUESTS) {
      expect({ what, ...(await hostile.rawGrpc(target(), request(method))) }).toMatchObject({ what, ...answer });
    }
    const huge = { path: method, body: hostile.grpcFrame(Buffer.alloc(hostile.HUGE_BYTES)) };
    const answer = await hostile.rawGrpc(target(), huge);
    // The refusal may overtake what is still being sent, and then the stream's reset is all that is heard.
    if (answer.status === undefined) expect(answer.error).toBe('ERR_HTTP2_STREAM_ERROR');
    else expect(answer).toMatchObject({ status: 8, message: expect.stringMatching(/^Received message larger than max/) as string });
  });

  test('and serves as before', expectAllServing);
});

test('a stream between members takes messages of this cluster only, and whole ones', async () => {
  const target = { host: '127.0.0.1', port: 2380 + cluster.portBase, tls };
  const path = '/podium.raft.v1.Raft/Stream';
  const none = await hostile.rawGrpc(target, { path, body: hostile.grpcFrame(Buffer.alloc(0)) });
  expect(none).toMatchObject({ status: 9, message: expect.stringMatching(/^cluster ID mismatch: this is a member of [0-9a-f]+, the caller of none$/) as string });
  const clusterId = /member of ([0-9a-f]+)/.exec(none.message)![1]!;
  const headers = { 'podium-cluster-id': clusterId };
  const answers = [];
  for (const message of [Buffer.alloc(4, 0xff), Buffer.alloc(0), hostile.randomBytes('raft', 1000)]) {
    answers.push(await hostile.rawGrpc(target, { path, headers, body: hostile.grpcFrame(message) }));
  }
  expect(answers.map(({ status }) => status)).toEqual([13, 3, 13]);
  expect(answers[1]!.message).toBe('a message without sender or receiver');
  await expectAllServing();
});

test('manifests that are too large are refused with the limit, and nothing is stored', async () => {
  const configMap = (bytes: number) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata: {a: ${'x'.repeat(bytes)}}\n`;
  const refuse = async (verb: string, bytes: number) => {
    const { exitCode, stderr } = await cluster.run(`${verb} -f -`, { stdin: configMap(bytes), isAllowedToFail: true });
    expect(exitCode).toBe(1);
    return stderr;
  };
  expect(await refuse('create', 1_200_000)).toContain('The ConfigMap "big" is invalid: data: Too long: may not be more than 1048576 bytes');
  expect(await refuse('apply', 300_000)).toContain('metadata.annotations: Too long: may not be more than 262144 bytes');
  expect(await refuse('create', 4_000_000)).toMatch(
    /^Error from server \(RequestEntityTooLarge\): Request entity too large: limit is 3145728, the object has 4000\d\d\d bytes \(STDIN:1:1\)$/m,
  );
  expect(await refuse('apply', 32_000_000)).toContain('limit is 3145728');
  expect(await cluster.out('get configmaps -o name')).toBe('configmap/kept\nconfigmap/kube-root-ca.crt\n');
  await expectAllServing();
});
