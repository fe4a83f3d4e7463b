/** Services, names and ways in and out, as programs in pods of a whole cluster find them (cluster-main.ts). */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { sendSignal } from '../../../src/agent/runtime/process-table.ts';
import { findTool } from '../../../src/cluster/isolation.ts';
import { ClusterReader } from './cluster-reader.ts';
import { MACHINE_ADDRESS, OUTSIDE_ADDRESS, OUTSIDE_NAME, OUTSIDE_PORT } from './outside-main.ts';

export interface PodiumCluster {
  readonly dataDir: string;
  podium(...args: readonly string[]): string;
}

export const HOST_PORT = 8_123;
const UDP_NODE_PORT = 30_091;
const NODES = ['node-1', 'node-2'] as const;

/** In each pod: says who it is and who asks, on 8080, and repeats what it hears, on 9090, and with its name on 9091 of UDP. */
const SERVER = `
const { createServer } = require('node:http');
const { connect, createServer: createEcho } = require('node:net');
const { lookup } = require('node:dns').promises;
const held = { echoes: 0, names: 0, failures: [] };
// A connection that stays, and names that are asked for all the time.
function hold() {
  const socket = connect(90, 'net').on('error', (error) => held.failures.push(error.message)).on('close', () => held.failures.push('closed'));
  socket.on('data', () => { held.echoes++; setTimeout(() => socket.write('x'), 20); }).write('x');
  const ask = () => lookup('net').then(() => held.names++, (error) => held.failures.push(error.message)).finally(() => setTimeout(ask, 20));
  ask();
}
createServer((call, response) => {
  if (call.url === '/hold') hold();
  response.setHeader('connection', 'close');
  response.end(call.url === '/held' ? JSON.stringify(held) : process.env.NAME + ' ' + call.socket.remoteAddress);
}).listen(8080, '0.0.0.0');
createEcho((socket) => socket.on('error', () => undefined).pipe(socket)).listen(9090, '0.0.0.0');
const udp = require('node:dgram').createSocket('udp4');
udp.on('message', (bytes, { port, address }) => udp.send(process.env.NAME + ' ' + bytes, port, address)).bind(9091);
`;

function pod(name: string, node: string, more: object, port: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { of: 'network', app: 'net' } },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: 'app', configMap: { name: 'net' } }, { name: 'cache', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [
        {
          name: 'server',
          image: 'podium.dev/host',
          command: ['node', '--max-semi-space-size=1', '/app/server.cjs'],
          env: [{ name: 'NAME', value: name }, { name: 'HOST_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } }],
          ports: [{ containerPort: 8080, ...port }],
          volumeMounts: [{ name: 'app', mountPath: '/app' }, { name: 'cache', mountPath: '/cache', subPathExpr: '$(NAME)' }],
          readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
        },
      ],
      ...more,
    },
  };
}

const service = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
const OBJECTS = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'net' }, data: { 'server.cjs': SERVER } },
  service('net', { selector: { app: 'net' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }, { name: 'echo', port: 90, targetPort: 9090 }] }),
  service('datagrams', { type: 'NodePort', selector: { app: 'net' }, ports: [{ port: 90, targetPort: 9091, protocol: 'UDP', nodePort: UDP_NODE_PORT }] }),
  service('peers', { clusterIP: 'None', selector: { app: 'net' }, ports: [{ name: 'http', port: 8080 }] }),
  pod('a', 'node-1', { hostname: 'first', subdomain: 'peers', dnsConfig: { options: [{ name: 'attempts', value: '5' }] } }),
  pod('b', 'node-2', {}),
  // No endpoint of the services: its address is the node's.
  {
    ...pod('host', 'node-1', { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet', dnsConfig: { searches: ['more.example'] } }),
    metadata: { name: 'host', labels: { of: 'network' } },
  },
  { ...pod('port', 'node-2', {}, { hostPort: HOST_PORT }), metadata: { name: 'port', labels: { of: 'network' } } },
];

export function startPods(cluster: PodiumCluster, directory: string): void {
  const file = join(directory, 'net.yaml');
  writeFileSync(file, OBJECTS.map((object) => JSON.stringify(object)).join('\n---\n'));
  cluster.podium('apply', '-f', file);
}

/** What a script in a pod prints, as JSON. */
function ask<T>(cluster: PodiumCluster, name: string, script: string): T {
  const prelude = `
const dns = require('node:dns').promises, http = require('node:http'), https = require('node:https'), net = require('node:net');
const get = (url) => new Promise((done) => http.get(url, { agent: false, timeout: 3000 }, (answer) => answer.on('data', (text) => done(String(text)))).on('error', (error) => done(error.code)));
const say = (result) => console.log(JSON.stringify(result));
`;
  // A test knows what its script prints.
  return JSON.parse(cluster.podium('exec', name, '--', 'node', '-e', `${prelude}(async () => say(await (${script})()))()`)) as T;
}

interface Found {
  readonly short: string;
  readonly long: string;
  readonly nobody: string;
  readonly pods: readonly string[];
  readonly srv: readonly { readonly name: string; readonly port: number }[];
  readonly reverse: readonly string[];
  readonly fqdn: string;
  readonly answers: readonly string[];
  readonly direct: readonly string[];
}

/** From both nodes: by a service's name and address, by a headless one's, and the pod that asks is among those that answer. */
export function namesAndServices(cluster: PodiumCluster): void {
  for (const name of ['a', 'b']) {
    const found = ask<Found>(cluster, name, `async () => {
      const short = (await dns.lookup('net')).address;
      const pods = (await dns.resolve4('peers.default.svc.cluster.local')).sort();
      const answers = await Promise.all(Array.from({ length: 24 }, () => get('http://net/')));
      return {
        short,
        long: (await dns.lookup('net.default.svc.cluster.local')).address,
        nobody: await dns.lookup('nobody').catch((error) => error.code),
        pods,
        srv: await dns.resolveSrv('_http._tcp.peers.default.svc.cluster.local'),
        reverse: await dns.reverse(short),
        fqdn: (await dns.lookup('first.peers')).address,
        answers: [...new Set(answers.map((text) => text.split(' ')[0]))].sort(),
        direct: (await Promise.all(pods.map((address) => get('http://' + address + ':8080/')))).map((text) => text.split(' ')[0]).sort(),
      };
    }`);
    same(`${name}: what it finds`, { ...found, short: '', long: '', pods: found.pods.map((address) => address.split('.').slice(0, 3).join('.')), srv: found.srv.map(({ port }) => port), fqdn: '' }, {
      short: '',
      long: '',
      nobody: 'ENOTFOUND',
      pods: ['10.244.0', '10.244.1'],
      srv: [8080, 8080],
      reverse: ['net.default.svc.cluster.local'],
      fqdn: '',
      answers: ['a', 'b'],
      direct: ['a', 'b'],
    });
    same(`${name}: the long name`, found.long, found.short);
    same(`${name}: a pod by its hostname and subdomain`, found.fqdn, found.pods[0]);
  }
}

/** By its name and certificate, its address and variables; with a token it answers. And it leads to pods. */
export async function apiServer(cluster: PodiumCluster): Promise<void> {
  const ca = readFileSync(join(cluster.dataDir, 'pki', 'ca.crt'), 'utf8');
  const token = readFileSync(join(cluster.dataDir, 'pki', 'admin.token'), 'utf8').trim();
  const answers = ask<readonly number[]>(cluster, 'b', `async () => {
    const ca = ${JSON.stringify(ca)};
    const headers = { authorization: 'Bearer ' + ${JSON.stringify(token)} };
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
    const list = (host, port) => new Promise((done) => https.get({ host, port, path: '/api/v1/namespaces/default/pods', ca, headers, agent: false }, (answer) => answer.resume().on('end', () => done(answer.statusCode))).on('error', (error) => done(error.message)));
    return [await list('kubernetes.default.svc', 443), await list(host, port)];
  }`);
  same('the API server answers a pod', answers, [200, 200]);
  const dns = JSON.parse(cluster.podium('get', 'service', 'kube-dns', '-n', 'kube-system', '-o', 'json')) as { spec: { clusterIP: string } };
  same('where people look for the DNS', dns.spec.clusterIP, '10.96.0.10');
  const api = new ClusterReader(cluster.dataDir);
  const by = await Promise.all(['pods/a/proxy/', 'services/net:http/proxy/'].map((path) => api.text(`namespaces/default/${path}`)));
  same('a pod and a service by way of the API server', by.map((text) => /^[ab] /.test(text)), [true, true]);
}

/** A volume in memory; and by the token of its service account a program is who it should be, with kubectl too. */
export function volumes(cluster: PodiumCluster): void {
  const own = '/var/run/secrets/kubernetes.io/serviceaccount';
  const found = ask<readonly unknown[]>(cluster, 'b', `async () => {
    const fs = require('node:fs');
    const file = (name) => fs.readFileSync('${own}/' + name);
    const cache = fs.statfsSync('/cache');
    const headers = { authorization: 'Bearer ' + file('token'), 'content-type': 'application/json' };
    const options = { host: 'kubernetes.default.svc', method: 'POST', path: '/apis/authentication.k8s.io/v1/selfsubjectreviews', ca: file('ca.crt'), headers, agent: false };
    const text = await new Promise((done) => https.request(options, async (answer) => { let all = ''; for await (const part of answer) all += part; done(all); }).on('error', (error) => done(JSON.stringify(error.message))).end('{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'));
    let refused = '';
    try { fs.writeFileSync('${own}/token', 'x'); } catch (error) { refused = error.code; }
    return [cache.blocks * cache.bsize, JSON.parse(text).status?.userInfo.username ?? text, String(file('namespace')), refused];
  }`);
  same('memory, token, namespace, and nothing is written there', found, [1 << 20, 'system:serviceaccount:default:default', 'default', 'EROFS']);
  if (findTool('kubectl')?.startsWith('/usr/') !== true) return;
  const who = cluster.podium('exec', 'b', '--', 'kubectl', 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}');
  same('kubectl in a pod', who, 'system:serviceaccount:default:default');
}

/** hostNetwork, hostPort, and what pods are told of names. */
export async function hostNetworkAndPorts(cluster: PodiumCluster): Promise<void> {
  const file = (name: string, path: string) => cluster.podium('exec', name, '--', 'cat', path);
  same('a hostname and a subdomain', /^10\.244\.0\.\d+\t(.*)$/m.exec(file('a', '/etc/hosts'))?.[1], 'first.peers.default.svc.cluster.local\tfirst');
  same('names for a pod of the node’s network', file('host', '/etc/resolv.conf').trim().split('\n'), [
    'nameserver 10.96.0.10',
    'search default.svc.cluster.local svc.cluster.local cluster.local more.example',
    'options ndots:5',
  ]);
  const found = ask<{ readonly hostname: string; readonly service: string }>(cluster, 'host', `async () => ({ hostname: require('node:os').hostname(), service: (await get('http://net/')).split(' ')[0] })`);
  same('in the node’s network', [found.hostname, ['a', 'b'].includes(found.service)], ['node-1', true]);
  const from = ask<readonly string[]>(cluster, 'a', `async () => Promise.all([get('http://10.244.0.1:8080/'), get('http://10.244.1.1:${HOST_PORT}/'), get('http://' + process.env.HOST_IP + ':8080/')])`);
  same('a pod of the node’s network, and a port of the other node', from.map((text) => text.split(' ')[0]), ['host', 'port', 'host']);
  same('a port of a node, from the machine', (await fetchHere(HOST_PORT)).split(' ')[0], 'port');
  datagrams(cluster);
}

/** By the service's name from a pod, and by its NodePort from the machine; each client's go to one pod. */
function datagrams(cluster: PodiumCluster): void {
  const script = (host: string, port: number) => `new Promise((done) => { const socket = require('node:dgram').createSocket('udp4'); const all = []; socket.on('message', (bytes) => { all.push(String(bytes)); if (all.length === 2) { socket.close(); done(all); } else socket.send('2', ${port}, '${host}'); }); socket.send('1', ${port}, '${host}'); setTimeout(() => done(all), 3000).unref(); })`;
  const inside = ask<readonly string[]>(cluster, 'a', `async () => ${script('datagrams', 90)}`);
  const here = spawnSync(process.execPath, ['-e', `(${script('127.0.0.1', UDP_NODE_PORT)}).then((all) => console.log(JSON.stringify(all)))`], { encoding: 'utf8' });
  const outside = JSON.parse(here.stdout) as readonly string[]; // of the line above
  for (const [who, all] of [['a pod', inside], ['the machine', outside]] as const) {
    const [name = ''] = all[0]?.split(' ') ?? [];
    same(`UDP from ${who}`, [['a', 'b'].includes(name), all], [true, [`${name} 1`, `${name} 2`]]);
  }
}

export function hold(cluster: PodiumCluster): void {
  ask(cluster, 'a', `() => get('http://localhost:8080/hold')`);
}

/** Since `hold`: the connection went on, and every name was found. */
export function checkHeld(cluster: PodiumCluster): void {
  const { echoes, names, failures } = ask<{ readonly echoes: number; readonly names: number; readonly failures: readonly string[] }>(cluster, 'a', `async () => JSON.parse(await get('http://localhost:8080/held'))`);
  same('nothing failed while the agent was away', failures, []);
  if (echoes < 10 || names < 2) throw new Error(`it went on: ${echoes} echoes, ${names} names`);
}

/** Under the machine's address, whatever pod of whichever node. */
export function wayOut(cluster: PodiumCluster): void {
  for (const name of ['a', 'b']) {
    const found = ask<readonly string[]>(cluster, name, `async () => [
      (await dns.lookup(${JSON.stringify(OUTSIDE_NAME)}).catch((error) => ({ address: error.code }))).address,
      await new Promise((done) => net.connect({ port: ${OUTSIDE_PORT}, host: ${JSON.stringify(OUTSIDE_ADDRESS)}, timeout: 2000 }).on('data', (text) => done(String(text))).on('error', (error) => done(error.code)).on('timeout', function () { this.destroy(); done('ETIMEDOUT'); })),
      // An address of the cluster's that no node has goes nowhere, and above all not out.
      await get('http://10.244.77.7/'),
    ]`);
    same(`${name} leaves the machine`, found, [OUTSIDE_ADDRESS, MACHINE_ADDRESS, 'EHOSTUNREACH']);
  }
}

/** Somebody takes it away from under both nodes: a process, or as root one's link, and the other one's rules. */
export function breakWayOut(cluster: PodiumCluster): void {
  for (const node of NODES) {
    const { copier } = JSON.parse(readFileSync(join(cluster.dataDir, node, 'egress.json'), 'utf8')) as { copier?: { pid: number } };
    if (copier !== undefined) sendSignal(-copier.pid, 'SIGKILL');
  }
  const [link] = spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' }).stdout.match(/podium-[0-9a-f]{8}/g) ?? [];
  if (link === undefined) return;
  spawnSync('ip', ['link', 'del', link]);
  const tables = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout.match(/podium-egress-[0-9a-f]{8}/g) ?? [];
  const others = tables.filter((table) => !table.endsWith(link.slice(-8)));
  if (others.length === 0) throw new Error(`the rules of a node's way out, among ${tables.join()}`);
  for (const table of others) spawnSync('nft', ['delete', 'table', 'ip', table]);
}

export function detailOf(cluster: PodiumCluster, node: (typeof NODES)[number]): string {
  const { status } = JSON.parse(cluster.podium('get', 'node', node, '-o', 'json')) as { status: { conditions: readonly { readonly type: string; readonly message: string }[] } };
  return status.conditions.find(({ type }) => type === 'ContainersIsolated')?.message ?? '';
}

/** Answers of both pods to a pod of node-1, by the service's address; datagrams reach them too. */
export function answersInside(cluster: PodiumCluster): readonly string[] {
  datagrams(cluster);
  return ask(cluster, 'a', `async () => [...new Set((await Promise.all(Array.from({ length: 8 }, () => get('http://net/')))).map((text) => text.split(' ')[0]))].sort()`);
}

function fetchHere(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, agent: false, timeout: 5_000 }, (response) => response.once('data', (chunk: Buffer) => resolve(chunk.toString())));
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', reject);
    call.end();
  });
}

function same(what: string, found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}
