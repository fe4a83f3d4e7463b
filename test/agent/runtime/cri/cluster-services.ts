/** Services and names as pods of containerd and programs of the machine find them (cluster-main.ts), by stock kubectl. */
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { request } from 'node:http';
import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../../src/base/system-clock.ts';
import { MACHINE_IMAGE } from './archive.ts';
import { GATEWAY } from './containerd.ts';

export interface ServicesCluster {
  readonly directory: string;
  mustKubectl(args: readonly string[], input?: string): string;
}

const NODE_PORT = 30_080;
const HOST_PORT = 8_123;
const HOST_PORT_LOCAL = 8_124;
const DNS_ADDRESS = '10.96.0.10';
const SERVICE_CIDR = '10.96.0.0/16';
const FIXED_PORT = 5_555;

/** In each pod: who it is and who asks, over TCP at 8080 and over UDP at 9090. */
const SERVER = `
const { createServer } = require('node:http');
const udp = require('node:dgram').createSocket('udp4');
createServer((call, response) => response.setHeader('connection', 'close').end(process.env.NAME + ' ' + call.socket.remoteAddress)).listen(8080, '0.0.0.0');
udp.on('message', (text, from) => udp.send(process.env.NAME, from.port, from.address)).bind(9090, '0.0.0.0');
`;

function pod(name: string, node: string, { app = 'none', port = {}, spec = {} }: { readonly app?: string; readonly port?: object; readonly spec?: object } = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { of: 'services', app, pod: name } },
    spec: {
      nodeSelector: { 'kubernetes.io/hostname': node },
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: 'usr', hostPath: { path: '/usr' } }],
      containers: [
        {
          name: 'server',
          image: MACHINE_IMAGE,
          command: ['node', '--max-semi-space-size=1', '-e', SERVER],
          env: [{ name: 'NAME', value: name }],
          ports: [{ containerPort: 8080, ...port }],
          volumeMounts: [{ name: 'usr', mountPath: '/usr', readOnly: true }],
          readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 },
        },
      ],
      ...spec,
    },
  };
}

const service = (name: string, spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec });
const OBJECTS = [
  service('net', { type: 'NodePort', selector: { app: 'net' }, ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: NODE_PORT }, { name: 'echo', protocol: 'UDP', port: 90, targetPort: 9090 }] }),
  service('peers', { clusterIP: 'None', selector: { app: 'net' }, ports: [{ name: 'http', port: 8080 }] }),
  service('self', { selector: { pod: 'net-a' }, ports: [{ port: 80, targetPort: 8080 }] }),
  service('sticky', { sessionAffinity: 'ClientIP', selector: { app: 'net' }, ports: [{ port: 80, targetPort: 8080 }] }),
  pod('net-a', 'node-1', { app: 'net', spec: { hostname: 'first', subdomain: 'peers' } }),
  pod('net-b', 'w1', { app: 'net', port: { hostPort: HOST_PORT } }),
  pod('net-ask', 'node-1', { port: { hostPort: HOST_PORT_LOCAL, hostIP: GATEWAY } }),
  // It listens where the machine does: no second one could.
  pod('net-host', 'node-1', { spec: { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } }),
];
const PODS = 4;

/** What a script in a pod prints, as JSON. */
function ask<T>(cluster: ServicesCluster, name: string, script: string): T {
  const prelude = `
const dns = require('node:dns').promises, http = require('node:http'), https = require('node:https'), fs = require('node:fs');
const get = (url) => new Promise((done) => http.get(url, { agent: false, timeout: 3000 }, (answer) => answer.on('data', (text) => done(String(text)))).on('error', (error) => done(error.code)));
const names = async (url, count) => [...new Set((await Promise.all(Array.from({ length: count }, () => get(url)))).map((text) => text.split(' ')[0]))].sort();
`;
  // A test knows what its script prints.
  return JSON.parse(cluster.mustKubectl(['exec', name, '--', 'node', '-e', `${prelude}(async () => console.log(JSON.stringify(await (${script})())))()`])) as T;
}

export async function startServices(cluster: ServicesCluster, until: (what: string, probe: () => boolean, detail: () => string) => Promise<unknown>): Promise<void> {
  const file = join(cluster.directory, 'services.json');
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: OBJECTS }));
  cluster.mustKubectl(['apply', '-f', file]);
  const ready = () => cluster.mustKubectl(['get', 'pods', '-l', 'of=services', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}']);
  await until('all pods are ready', () => ready() === Array.from({ length: PODS }, () => 'True').join(' '), () => cluster.mustKubectl(['get', 'pods', '-l', 'of=services', '-o', 'yaml']));
}

/** From a pod that asks from outside, from one that is among those that answer, and from one on the machine's network. */
export function servicesAndNames(cluster: ServicesCluster): void {
  for (const name of ['net-ask', 'net-b', 'net-host']) {
    const found = ask<{ readonly short: string; readonly pods: readonly string[] }>(cluster, name, `async () => ({
      short: (await dns.lookup('net')).address,
      long: (await dns.lookup('net.default.svc.cluster.local')).address === (await dns.lookup('net')).address,
      nobody: await dns.lookup('nobody.default.svc.cluster.local.').catch((error) => error.code),
      pods: (await dns.resolve4('peers.default.svc.cluster.local')).sort(),
      fqdn: (await dns.lookup('first.peers')).address.startsWith('10.244.7.'),
      srv: (await dns.resolveSrv('_http._tcp.peers.default.svc.cluster.local')).map(({ port }) => port),
      reverse: await dns.reverse((await dns.lookup('net')).address),
      answers: await names('http://net/', 24),
      sticky: (await names('http://sticky/', 12)).length,
    })`);
    const { short, pods, ...others } = found;
    same(`${name}: what it finds`, others, { long: true, nobody: 'ENOTFOUND', fqdn: true, srv: [8080, 8080], reverse: ['net.default.svc.cluster.local'], answers: ['net-a', 'net-b'], sticky: 1 });
    same(`${name}: an address of services, and addresses of pods`, [short.startsWith('10.96.'), pods.length, pods.every((address) => address.startsWith('10.244.7.'))], [true, 2, true]);
  }
  same('a pod that is its own service', ask(cluster, 'net-a', `() => names('http://self/', 4)`), ['net-a']);
  same('where the DNS is', cluster.mustKubectl(['get', 'service', 'kube-dns', '-n', 'kube-system', '-o', 'jsonpath={.spec.clusterIP}']), DNS_ADDRESS);
  // A service nobody is behind is refused at once.
  cluster.mustKubectl(['create', 'service', 'clusterip', 'empty', '--tcp=80']);
  same('a service without endpoints', ask(cluster, 'net-ask', `async () => { for (let tries = 0; ; tries++) { const code = await get('http://empty/'); if (code === 'ECONNREFUSED' || tries > 20) return code; await new Promise((go) => setTimeout(go, 100)); } }`), 'ECONNREFUSED');
}

/** A client that keeps its port is led to who is there, as soon as who was there is not. */
export function datagrams(cluster: ServicesCluster): void {
  const speak = `() => new Promise((done) => {
    const socket = require('node:dgram').createSocket('udp4').on('message', (text) => { clearInterval(timer); socket.close(); done(String(text)); }).bind(${FIXED_PORT});
    const timer = setInterval(() => socket.send('who', 90, 'net'), 100);
    setTimeout(() => done('nobody'), 20000).unref();
  })`;
  const first = ask<string>(cluster, 'net-ask', speak);
  same('an endpoint answers', ['net-a', 'net-b'].includes(first), true);
  // Its address is gone from the service before it is gone itself.
  cluster.mustKubectl(['label', 'pod', first, 'app=none', '--overwrite']);
  const second = ask<string>(cluster, 'net-ask', speak);
  cluster.mustKubectl(['label', 'pod', first, 'app=net', '--overwrite']);
  same('the other one answers', second, first === 'net-a' ? 'net-b' : 'net-a');
}

/** By its name and certificate and its variables, as whom the pod is. */
export function apiServer(cluster: ServicesCluster): void {
  const found = ask<readonly unknown[]>(cluster, 'net-b', `async () => {
    const own = '/var/run/secrets/kubernetes.io/serviceaccount/';
    const file = (name) => fs.readFileSync(own + name);
    const headers = { authorization: 'Bearer ' + file('token'), 'content-type': 'application/json' };
    const whoAt = (host, port) => new Promise((done) => https.request({ host, port, method: 'POST', path: '/apis/authentication.k8s.io/v1/selfsubjectreviews', ca: file('ca.crt'), headers, agent: false },
      async (answer) => { let all = ''; for await (const part of answer) all += part; done(JSON.parse(all).status?.userInfo.username ?? all); })
      .on('error', (error) => done(error.message)).end('{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'));
    return [await whoAt('kubernetes.default.svc', 443), await whoAt(process.env.KUBERNETES_SERVICE_HOST, process.env.KUBERNETES_SERVICE_PORT)];
  }`);
  same('it knows who asks', found, ['system:serviceaccount:default:default', 'system:serviceaccount:default:default']);
  // What listens on the machine's loopback is nobody's business, whatever somebody writes into an EndpointSlice.
  const slice = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'spy', labels: { 'kubernetes.io/service-name': 'spy' } }, addressType: 'IPv4', endpoints: [{ addresses: ['127.0.0.1'] }], ports: [{ port: 2379, protocol: 'TCP' }] };
  writeFileSync(join(cluster.directory, 'spy.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service('spy', { ports: [{ port: 80 }] }), slice] }));
  cluster.mustKubectl(['apply', '-f', join(cluster.directory, 'spy.json')]);
  same('the machine’s loopback', /^E(CONNREFUSED|HOSTUNREACH|TIMEDOUT)$|^undefined$/.test(String(ask(cluster, 'net-b', `async () => { await new Promise((go) => setTimeout(go, 500)); return get('http://spy/'); }`))), true);
}

/** At the loopback and at other addresses of the machine, NodePorts and pods' ports. */
export async function fromTheMachine(cluster: ServicesCluster): Promise<void> {
  const names = async (host: string, port: number) => {
    const answers = new Set<string>();
    for (let i = 0; i < 16; i++) answers.add((await fetchFrom(host, port)).split(' ')[0] ?? '');
    return [...answers].sort();
  };
  same('a NodePort at the loopback', await names('127.0.0.1', NODE_PORT), ['net-a', 'net-b']);
  same('a NodePort at an address of the machine', await names(GATEWAY, NODE_PORT), ['net-a', 'net-b']);
  same('a NodePort, from a pod', ask(cluster, 'net-ask', `() => names('http://${GATEWAY}:${NODE_PORT}/', 16)`), ['net-a', 'net-b']);
  same('a port of a pod', [await names('127.0.0.1', HOST_PORT), await names(GATEWAY, HOST_PORT)], [['net-b'], ['net-b']]);
  same('a port of a pod at one address', await names(GATEWAY, HOST_PORT_LOCAL), ['net-ask']);
  same('and at no other', await fetchFrom('127.0.0.1', HOST_PORT_LOCAL).catch((error: NodeJS.ErrnoException) => error.code), 'ECONNREFUSED');
  const clusterIp = cluster.mustKubectl(['get', 'service', 'net', '-o', 'jsonpath={.spec.clusterIP}']);
  same('a service, by programs of the machine', await names(clusterIp, 80), ['net-a', 'net-b']);
  same('over UDP', ['net-a', 'net-b'].includes(await askUdp(clusterIp)), true);
}

/** Nothing of a node: tables, the address of the DNS, the route of services. */
export function leftInTheMachine(): readonly string[] {
  const tables = text('nft', ['list', 'tables']).split('\n').filter((line) => line.includes('podium'));
  const addresses = (networkInterfaces()['lo'] ?? []).map(({ address }) => address).filter((address) => address === DNS_ADDRESS);
  const routes = text('ip', ['route', 'show', 'table', 'all']).split('\n').filter((line) => line.includes(SERVICE_CIDR));
  return [...tables, ...addresses, ...routes];
}

function text(command: string, args: readonly string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout;
}

function fetchFrom(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ host, port, agent: false, timeout: 5_000 }, (response) => response.once('data', (chunk: Buffer) => resolve(chunk.toString())));
    call.on('timeout', () => call.destroy(new Error(`no answer of ${host}:${port} within 5 s`))).on('error', reject).end();
  });
}

function askUdp(address: string): Promise<string> {
  const socket = createSocket('udp4');
  return new Promise<string>((resolve, reject) => {
    const timer = systemClock.setTimer(5_000, () => reject(new Error('no answer over UDP within 5 s')));
    socket.on('message', (message) => {
      timer.cancel();
      resolve(message.toString());
    });
    socket.send('who', 90, address);
  }).finally(() => socket.close());
}

export function same(what: string, found: unknown, wanted: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}
