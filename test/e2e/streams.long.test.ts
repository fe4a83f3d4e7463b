/**
 * Connections into pods of real processes, as the JavaScript client and kubectl have them where it gets rough: slow
 * peers, ends of one direction, a port that breaks, and an API server that is killed in the middle. What kubectl prints
 * is in test/golden/kubectl/streams.txt. And what the programs of a pod find in its volumes.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { processesWith } from '../../src/agent/runtime/process-table.ts';
import { killPart, restartPart } from '../../src/cluster/faults.ts';
import { requireTool } from '../processes.ts';
import { ProcessCluster } from './cluster.ts';
import { StockClient } from './stock-client.ts';

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes: [{ name: node-1, port: 10250, runtime: process }]
`;
/** 8080 answers once it knows that nothing more comes; 8081 writes without end; 8082 breaks off at the first word. */
const SERVERS = `
const { createServer } = require('net');
const listen = (port, serve) => createServer({ allowHalfOpen: true }, (socket) => { socket.on('error', () => {}); serve(socket); }).listen(port);
listen(8080, (socket) => { let text = ''; socket.on('data', (part) => (text += part)).on('end', () => socket.end('heard ' + text)); });
listen(8081, (socket) => { const block = Buffer.alloc(65536); const go = () => { while (socket.write(block)); }; socket.on('drain', go); go(); });
listen(8082, (socket) => socket.once('data', () => socket.resetAndDestroy()));
process.stdin.on('data', (part) => process.stdout.write('read ' + part));
`;
const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image: 'podium.dev/host', stdin: true, command: ['node', '-e', SERVERS], readinessProbe: { tcpSocket: { port: 8082 }, periodSeconds: 1 } }],
  },
};

const cluster = new ProcessCluster();
const config = new k8s.KubeConfig();

beforeAll(async () => {
  await cluster.up(CONFIG);
  await cluster.run('apply -f -', { stdin: JSON.stringify(POD) });
  await cluster.until('the pod is ready', 30_000, async () => (await cluster.out('get pod web')).includes('1/1'));
  config.loadFromFile(join(cluster.dataDir, 'kubeconfig'));
});

afterAll(async () => {
  await cluster.remove();
});

function kubectl(skip: (reason: string) => void): StockClient {
  const client = new StockClient({ program: requireTool('kubectl', skip), kubeconfig: join(cluster.dataDir, 'kubeconfig'), namespace: 'default' });
  onTestFinished(() => client.remove());
  return client;
}

/** Gathers what is written. */
function sink(): PassThrough & { text(): string } {
  let text = '';
  const stream = new PassThrough();
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return Object.assign(stream, { text: () => text });
}

/** A port of this machine that kubectl forwards; how to end it. */
async function forwarded(client: StockClient, port: number): Promise<{ readonly port: number; readonly child: ReturnType<StockClient['start']> }> {
  const child = client.start('port-forward', 'pod/web', `:${port}`);
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const local = await cluster.until(`port ${port} is forwarded`, 20_000, () => Promise.resolve(/127\.0\.0\.1:(\d+) ->/.exec(text)?.[1]));
  return { port: Number(local), child };
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    onTestFinished(() => void socket.destroy());
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString();
  return text;
}

/** Of the node agent: its open sockets, and the commands that run for it. */
function held(): { readonly sockets: number; readonly commands: number } {
  const agent = cluster.pidOf('node-1');
  const sockets = readdirSync(`/proc/${agent}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${agent}/fd/${fd}`).startsWith('socket:');
    } catch {
      return false; // closed meanwhile
    }
  });
  const marked = processesWith(`PODIUM_NODE=${join(cluster.dataDir, 'node-1')}`).filter(({ environment }) => environment.some((entry) => entry.startsWith('PODIUM_EXEC_ID=')));
  return { sockets: sockets.length, commands: marked.length };
}

// --- the JavaScript client

test('client-node: exec with input, both outputs and the exit code', async () => {
  const [stdout, stderr] = [sink(), sink()];
  const input = new PassThrough();
  const status = new Promise<k8s.V1Status>((resolve, reject) => {
    new k8s.Exec(config).exec('default', 'web', 'main', ['sh', '-c', 'cat; echo err >&2; exit 7'], stdout, stderr, input, false, resolve).catch(reject);
  });
  input.end('typed\n');
  expect(await status).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '7' }] } });
  expect([stdout.text(), stderr.text()]).toEqual(['typed\n', 'err\n']);
});

test('client-node: attach, and what was typed is read', async () => {
  const stdout = sink();
  const input = new PassThrough();
  const socket = await new k8s.Attach(config).attach('default', 'web', 'main', stdout, null as never, input, false); // it takes none, its types do not
  input.write('a word\n');
  await cluster.until('it is read', 10_000, () => Promise.resolve(stdout.text().includes('read a word')));
  socket.close();
});

test('client-node: port-forward, and what goes wrong with one', async () => {
  const [output, errors] = [sink(), sink()];
  const input = new PassThrough();
  await new k8s.PortForward(config).portForward('default', 'web', [8082], output, errors, input);
  const refused = sink();
  await new k8s.PortForward(config).portForward('default', 'web', [81], sink(), refused, new PassThrough());
  await cluster.until('it is refused', 10_000, () => Promise.resolve(refused.text().includes('connection refused')));
  input.write('x');
  await cluster.until('it breaks', 10_000, () => Promise.resolve(errors.text().includes('the connection to the port broke')));
});

test('client-node: a folder is copied into the pod', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podium-copy-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'file'), 'copied');
  await new k8s.Cp(config).cpToPod('default', 'web', 'main', folder, '.');
  await cluster.until('it is there', 10_000, async () => (await cluster.run('exec web -- cat file', { isAllowedToFail: true })).stdout === 'copied');
});

// --- ports

test('a direction ends on its own, and connections at once do not meet', async ({ skip }) => {
  const { port } = await forwarded(kubectl(skip), 8080);
  const answers = Array.from({ length: 20 }, async (_, at) => {
    const socket = await dial(port);
    const answer = textOf(socket);
    socket.write(`number ${at}, `);
    socket.end('and no more');
    return answer;
  });
  expect(await Promise.all(answers)).toEqual(answers.map((_, at) => `heard number ${at}, and no more`));
});

test('podium port-forward: who reads nothing holds up nobody else', async () => {
  const flood = await podiumForward(8081);
  const slow = await dial(flood);
  slow.pause();
  const quick = await dial(flood);
  let bytes = 0;
  quick.on('data', (chunk: Buffer) => (bytes += chunk.length));
  await cluster.until('another has its 50 MB', 30_000, () => Promise.resolve(bytes > 50_000_000));
  expect(slow.bytesRead).toBeLessThan(4_000_000);
  const other = await cluster.out('exec web -- echo others, too');
  expect(other).toBe('others, too\n');
});

async function podiumForward(port: number): Promise<number> {
  const child = spawn(process.execPath, ['dist/src/main.js', 'port-forward', 'web', `0:${port}`], { env: { ...process.env, PODIUM_DATA_DIR: cluster.dataDir }, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return Number(await cluster.until('it is forwarded', 20_000, () => Promise.resolve(/127\.0\.0\.1:(\d+) ->/.exec(text)?.[1])));
}

test('podium exec and cp: as the same commands of kubectl', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podium-copy-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const big = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * i) & 255));
  writeFileSync(join(folder, 'big'), big);
  await cluster.run(`cp ${join(folder, 'big')} web:there`);
  const sum = createHash('sha256').update(big).digest('hex');
  expect((await cluster.out('exec web -- sha256sum there')).split(' ')[0]).toBe(sum);
  await cluster.run(`cp web:there ${join(folder, 'back')}`);
  expect(readFileSync(join(folder, 'back')).equals(big)).toBe(true);
  expect(await cluster.run('exec -i web -- sh -c read${IFS}line;echo${IFS}$line>&2;exit${IFS}5', { stdin: 'typed\n', isAllowedToFail: true })).toEqual({
    exitCode: 5,
    stdout: '',
    stderr: 'typed\ncommand terminated with exit code 5\n',
  });
  expect(await cluster.run('exec web -c nothing -- true', { isAllowedToFail: true })).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('container nothing is not valid for pod web') as string });
});

// --- ends

test('an API server that is killed: clients end with an error, and the agent keeps nothing of them', async ({ skip }) => {
  const client = kubectl(skip);
  await cluster.until('the agent holds no command', 10_000, () => Promise.resolve(held().commands === 0));
  const before = held();
  const { port, child } = await forwarded(client, 8081);
  const socket = await dial(port);
  socket.on('error', () => {});
  socket.resume();
  const running = [
    client.start('exec', 'web', '--', 'sh', '-c', 'sleep 4711; true'),
    client.start('exec', 'web', '--', 'sh', '-c', 'while :; do echo line; done'),
    client.start('attach', 'web'),
    child,
  ];
  for (const one of running) one.stdout.resume();
  const ends = running.map(async (one) => {
    const [code] = (await once(one, 'exit')) as [number | null];
    return code;
  });
  await cluster.until('all are at work', 20_000, () => Promise.resolve(held().commands >= 3 && held().sockets >= before.sockets + 4));
  const faults = { dataDir: cluster.dataDir, clock: systemClock };
  await killPart(faults, 'apiserver', false);
  expect(await Promise.all(ends)).toEqual([1, 1, 1, 1]);
  await cluster.until('no command is left', 10_000, () => Promise.resolve(held().commands === 0));
  await restartPart(faults, 'apiserver');
  await cluster.out('status --wait 20');
  expect(await cluster.out('exec web -- echo again')).toBe('again\n');
  await cluster.until('no socket is left', 20_000, () => Promise.resolve(held().sockets <= before.sockets));
});

// --- what a pod's programs find in its volumes

/** As client libraries do it within a cluster; the paths are relative, since the process runtime has no root of its own. */
const WHO_AM_I = `
const { readFileSync } = require('fs');
const file = (name) => readFileSync('var/run/secrets/kubernetes.io/serviceaccount/' + name);
const at = process.argv[2] ? new URL(process.argv[2]) : { hostname: process.env.KUBERNETES_SERVICE_HOST, port: process.env.KUBERNETES_SERVICE_PORT };
const headers = { Authorization: 'Bearer ' + file('token'), 'Content-Type': 'application/json' };
const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const call = require('https').request({ host: at.hostname, port: at.port, path, method: 'POST', ca: file('ca.crt'), headers }, async (response) => {
  let text = '';
  for await (const chunk of response) text += chunk;
  const { username, extra } = JSON.parse(text).status.userInfo;
  console.log(username, extra['authentication.kubernetes.io/pod-name'][0], 'in', String(file('namespace')));
});
call.end(JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }));
`;

test("a pod's program asks the API server in the name of its service account", async () => {
  // Who is not root cannot listen on port 443, so there the Service has no proxy.
  const address = process.getuid?.() === 0 ? '' : config.getCurrentCluster()!.server;
  const { stdout, stderr } = await cluster.run(`exec -i web -- node - ${address}`, { stdin: WHO_AM_I, isAllowedToFail: true });
  expect(stdout + stderr).toBe('system:serviceaccount:default:default web in default\n');
});

test('a changed ConfigMap is seen by a program that runs, and one that is missing is waited for', async () => {
  const settings = (color: string) => JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { color } });
  const volumes = [{ name: 'config', configMap: { name: 'settings' } }];
  const container = { ...POD.spec.containers[0], command: ['sleep', '1000'], readinessProbe: undefined, volumeMounts: [{ name: 'config', mountPath: '/config' }] };
  await cluster.run('apply -f -', { stdin: JSON.stringify({ ...POD, metadata: { name: 'reader' }, spec: { ...POD.spec, volumes, containers: [container] } }) });
  const told = 'MountVolume.SetUp failed for volume "config" : configmap "settings" not found';
  await cluster.until('it is said what is missing', 20_000, async () => (await cluster.out('get events')).includes(told));
  expect(await cluster.out('get pod reader')).toContain('ContainerCreating');
  await cluster.run('apply -f -', { stdin: settings('red') });
  await cluster.until('it runs', 20_000, async () => (await cluster.out('get pod reader')).includes('1/1'));
  expect(await cluster.out('exec reader -- cat config/color')).toBe('red');
  await cluster.run('apply -f -', { stdin: settings('blue') });
  await cluster.until('it sees the change', 20_000, async () => (await cluster.out('exec reader -- cat config/color')) === 'blue');
});
