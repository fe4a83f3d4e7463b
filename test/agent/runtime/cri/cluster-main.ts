/**
 * A cluster whose pods a containerd of the test runs, in namespaces of its own:
 *   node dist/test/agent/runtime/cri/cluster-main.js DIRECTORY
 * One node is `podium up`'s, the other is started by hand, as a worker that joins. Prints one line of JSON a step.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError } from '../../../../src/base/errors.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';
import type { Step } from '../cluster-main.ts';
import { TestRegistry } from '../../../image/registry.ts';
import { until as untilSo } from '../../../until.ts';
import { BUSYBOX_IMAGE, machineImage } from './archive.ts';
import { apiServer, datagrams, fromTheMachine, leftInTheMachine, servicesAndNames, startServices } from './cluster-services.ts';
import { Containerd, ENDPOINT, SOCKET } from './containerd.ts';

export const CRI_STEPS = [
  'podium up has a node that containerd runs pods for, and says so',
  'podium node --container-runtime-endpoint joins as a worker',
  'a deployment is rolled out on both, and its pods have addresses of CNI',
  'an image is pulled from its registry, and one that does not exist says so',
  'kubectl logs shows and follows what a pod says',
  'kubectl exec passes on input to its end, output, and how it ended',
  'kubectl cp copies a folder there and back',
  'kubectl attach writes to a container',
  'kubectl port-forward reaches a port',
  'pods of both nodes find services and each other by names, and so do those on the network of the machine',
  'a service of UDP follows its endpoints',
  'a pod reaches the API server with its token, and nothing else of the loopback of its machine',
  'the machine reaches NodePorts, ports of pods, and services',
  'containerd is killed: its nodes are not ready, and ready again; the pods are the same',
  'a worker is killed and started again, by a kubeconfig: it finds its pods',
  'what is deleted is gone from containerd',
  'podium down --purge and podium node --purge leave nothing of their nodes, in containerd and in the network of the machine',
] as const;

const CONFIG = `
store: { members: [{ name: store-1, clientPort: 2379, peerPort: 2380 }] }
nodes:
  - { name: node-1, port: 10250, runtime: cri, runtimeEndpoint: '${ENDPOINT}' }
# An agent that is late on a busy machine is not a lost one.
timings: { nodeGraceSeconds: 60, nodeHeartbeatSeconds: 1, podEvictionSeconds: 60 }
`;
const IMAGE = BUSYBOX_IMAGE.replace('docker.io/library/', '');
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 4
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: { matchLabels: { app: web } } }]
      containers:
        - name: web
          image: ${IMAGE}
          command: [sh, -c, 'hostname >/tmp/index.html; echo "hello of $POD"; trap "exit 0" TERM; httpd -f -p 8080 -h /tmp & wait']
          env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]
          readinessProbe: { httpGet: { port: 8080, path: / }, periodSeconds: 1 }
---
apiVersion: v1
kind: Pod
metadata: { name: talk }
spec:
  nodeName: w1
  terminationGracePeriodSeconds: 0
  containers: [{ name: talk, image: ${IMAGE}, stdin: true, command: [sh, -c, 'echo up; while read line; do echo "has read $line"; done; sleep 1000'] }]
`;
const DEADLINE_MS = 60_000;
const FORWARDED = 18_080;
/** Two tables, the address of the DNS, the route of services. */
const LEFT_OF_ONE_NODE = 4;

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class CriCluster {
  readonly directory: string;
  readonly dataDir: string;
  readonly containerd: Containerd;
  worker: ChildProcess | undefined;

  constructor(directory: string, containerd: Containerd) {
    this.directory = directory;
    this.dataDir = join(directory, 'c');
    this.containerd = containerd;
  }

  podium(...args: readonly string[]): string {
    return mustRun(process.execPath, ['dist/src/main.js', ...args, '--data-dir', this.dataDir]).stdout;
  }

  kubectl(args: readonly string[], input?: string): Ran {
    return run(resolve('.cache/bin/kubectl'), ['--kubeconfig', join(this.dataDir, 'kubeconfig'), ...args], input);
  }

  mustKubectl(args: readonly string[], input?: string): string {
    const { status, stdout, stderr } = this.kubectl(args, input);
    if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout;
  }

  startWorker(cluster: readonly string[]): void {
    const log = openSync(join(this.directory, 'w1.log'), 'a');
    const args = ['dist/src/main.js', 'node', '--name', 'w1', ...cluster, '--node-dir', join(this.directory, 'w1'), '--container-runtime-endpoint', ENDPOINT, '--cpu', '2', '--memory', '2Gi'];
    this.worker = spawn(process.execPath, args, { stdio: ['ignore', log, log] });
  }

  pods(): readonly { readonly name: string; readonly uid: string; readonly ip: string; readonly node: string; readonly restarts: number; readonly ready: boolean }[] {
    const { items } = JSON.parse(this.mustKubectl(['get', 'pods', '-l', 'app=web', '-o', 'json'])) as {
      items: { metadata: { name: string; uid: string }; spec: { nodeName?: string }; status: { podIP?: string; containerStatuses?: { restartCount: number; ready: boolean }[] } }[];
    };
    return items.map(({ metadata, spec, status }) => {
      const container = status.containerStatuses?.[0];
      return { name: metadata.name, uid: metadata.uid, ip: status.podIP ?? '', node: spec.nodeName ?? '', restarts: container?.restartCount ?? 0, ready: container?.ready ?? false };
    });
  }

  get podOfWorker(): string {
    const found = this.pods().find(({ node }) => node === 'w1');
    if (found === undefined) throw new Error('no pod is on w1');
    return found.name;
  }

  readyMessage(node: string): string {
    const { stdout } = this.kubectl(['get', 'node', node, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}']);
    return stdout;
  }
}

function run(command: string, args: readonly string[], input?: string): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: DEADLINE_MS, ...(input === undefined ? {} : { input }) });
  return { status, stdout: stdout ?? '', stderr: error === undefined ? stderr : `${error.message} ${stderr}` };
}

function mustRun(command: string, args: readonly string[]): Ran {
  const ran = run(command, args);
  if (ran.status !== 0) throw new Error(`${args.join(' ')}: ${ran.status}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

function until(what: string, probe: () => boolean | Promise<boolean>, detail: () => string = () => ''): Promise<true> {
  return untilSo(() => `${what} ${detail()}`, probe, DEADLINE_MS);
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function askPort(port: number): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (bytes: Buffer) => (text += bytes.toString())).on('error', () => done(text)).on('close', () => done(text));
  });
}

const steps: readonly ((cluster: CriCluster) => void | Promise<void>)[] = [
  async (cluster) => {
    cluster.podium('up', '--detach', '--config', join(cluster.directory, 'config.yaml'));
    must(cluster.podium('status').includes('runtime=cri'), 'podium status names the runtime');
    await until('the node is ready', () => cluster.readyMessage('node-1').startsWith('True'));
    const version = cluster.mustKubectl(['get', 'node', 'node-1', '-o', 'jsonpath={.status.nodeInfo.containerRuntimeVersion}']);
    must(/^containerd:\/\/\d/.test(version), version);
  },
  async (cluster) => {
    cluster.startWorker(['--data-dir', cluster.dataDir]);
    await until('the worker is ready', () => cluster.readyMessage('w1').startsWith('True'), () => readFileSync(join(cluster.directory, 'w1.log'), 'utf8'));
  },
  (cluster) => {
    cluster.mustKubectl(['apply', '-f', join(cluster.directory, 'web.yaml')]);
    cluster.mustKubectl(['rollout', 'status', 'deployment/web', '--timeout=50s']);
    cluster.mustKubectl(['wait', '--for=condition=Ready', 'pod/talk', '--timeout=30s']);
    const pods = cluster.pods();
    must(pods.every(({ ip }) => /^10\.244\.7\.\d+$/.test(ip)), JSON.stringify(pods));
    must(new Set(pods.map(({ node }) => node)).size === 2, JSON.stringify(pods));
  },
  async (cluster) => {
    const registry = await TestRegistry.start();
    try {
      registry.push('team/app', '1', machineImage('pulled'));
      const pod = (name: string, image: string) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { nodeName: 'w1', terminationGracePeriodSeconds: 0, restartPolicy: 'Never', containers: [{ name, image, command: ['sleep', '1000'], volumeMounts: [{ name: 'usr', mountPath: '/usr', readOnly: true }] }], volumes: [{ name: 'usr', hostPath: { path: '/usr' } }] } });
      const file = join(cluster.directory, 'pulled.json');
      writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod('pulled', `${registry.host}/team/app:1`), pod('absent', `${registry.host}/team/none:1`)] }));
      cluster.mustKubectl(['apply', '-f', file]);
      const of = (name: string, path: string) => cluster.mustKubectl(['get', 'pod', name, '-o', `jsonpath={.status${path}}`]);
      await until('it runs', () => of('pulled', '.phase') === 'Running', () => of('pulled', ''));
      must(of('pulled', '.containerStatuses[0].imageID').includes('sha256:'), of('pulled', ''));
      await until('it says so', () => /^(ErrImagePull|ImagePullBackOff)$/.test(of('absent', '.containerStatuses[0].state.waiting.reason')), () => of('absent', ''));
      must(cluster.mustKubectl(['get', 'node', 'w1', '-o', 'jsonpath={.status.images}']).includes('team/app:1'), 'the node tells of its images');
      cluster.mustKubectl(['delete', 'pod', 'pulled', 'absent', '--wait=false']);
    } finally {
      await registry.stop();
    }
  },
  async (cluster) => {
    const pod = cluster.podOfWorker;
    must(cluster.mustKubectl(['logs', pod]) === `hello of ${pod}\n`, 'the log');
    must(/^\d{4}-.*Z hello of /.test(cluster.mustKubectl(['logs', pod, '--timestamps', '--tail=1'])), 'the log with times');
    cluster.mustKubectl(['run', 'brief', `--image=${IMAGE}`, '--restart=Never', '--', 'sh', '-c', 'for i in 1 2 3; do echo $i; sleep 0.3; done']);
    await until('it runs, or has run', () => /^(Running|Succeeded)$/.test(cluster.mustKubectl(['get', 'pod', 'brief', '-o', 'jsonpath={.status.phase}'])));
    must(cluster.mustKubectl(['logs', '-f', 'brief']) === '1\n2\n3\n', 'a log that is followed to its end');
  },
  (cluster) => {
    const pod = cluster.podOfWorker;
    const { status, stdout, stderr } = cluster.kubectl(['exec', '-i', pod, '--', 'sh', '-c', 'wc -c; echo oops >&2; exit 7'], 'x'.repeat(200_000));
    must(status === 7 && stdout.trim() === '200000' && stderr.includes('oops'), JSON.stringify({ status, stdout, stderr }));
    must(cluster.kubectl(['exec', pod, '--', 'no-such-program']).status !== 0, 'a program that does not exist');
  },
  (cluster) => {
    const pod = cluster.podOfWorker;
    const from = join(cluster.directory, 'there');
    mkdirSync(from);
    for (const name of ['a', 'b']) writeFileSync(join(from, name), name.repeat(100_000));
    cluster.mustKubectl(['cp', from, `${pod}:/tmp/there`]);
    cluster.mustKubectl(['cp', `${pod}:/tmp/there`, join(cluster.directory, 'back')]);
    for (const name of ['a', 'b']) must(readFileSync(join(cluster.directory, 'back', name), 'utf8') === name.repeat(100_000), `file ${name}`);
  },
  async (cluster) => {
    const attach = spawn(resolve('.cache/bin/kubectl'), ['--kubeconfig', join(cluster.dataDir, 'kubeconfig'), 'attach', '-i', 'talk'], { stdio: ['pipe', 'pipe', 'pipe'] });
    try {
      let said = '';
      attach.stdout.on('data', (bytes: Buffer) => (said += bytes.toString()));
      attach.stdin.write('a word\n');
      await until('the container answers', () => said.includes('has read a word'), () => said);
    } finally {
      attach.kill('SIGKILL');
    }
  },
  async (cluster) => {
    const pod = cluster.podOfWorker;
    const forward = spawn(resolve('.cache/bin/kubectl'), ['--kubeconfig', join(cluster.dataDir, 'kubeconfig'), 'port-forward', pod, `${FORWARDED}:8080`], { stdio: 'ignore' });
    try {
      await until('the page', async () => (await askPort(FORWARDED)).includes(pod));
    } finally {
      forward.kill('SIGKILL');
    }
  },
  async (cluster) => {
    await startServices(cluster, until);
    servicesAndNames(cluster);
  },
  (cluster) => datagrams(cluster),
  (cluster) => apiServer(cluster),
  (cluster) => fromTheMachine(cluster),
  async (cluster) => {
    const before = JSON.stringify(cluster.pods());
    await cluster.containerd.kill();
    for (const node of ['node-1', 'w1']) await until(`${node} is not ready`, () => cluster.readyMessage(node).startsWith('False container runtime is down'), () => cluster.readyMessage(node));
    await cluster.containerd.run();
    for (const node of ['node-1', 'w1']) await until(`${node} is ready`, () => cluster.readyMessage(node).startsWith('True'), () => cluster.readyMessage(node));
    await until('the pods are the same', () => JSON.stringify(cluster.pods()) === before, () => `${before}\n${JSON.stringify(cluster.pods())}`);
    must(cluster.mustKubectl(['exec', cluster.podOfWorker, '--', 'echo', 'on']) === 'on\n', 'exec');
  },
  async (cluster) => {
    const before = JSON.stringify(cluster.pods());
    const ended = new Promise((done) => cluster.worker?.once('exit', done));
    cluster.worker?.kill('SIGKILL');
    await ended;
    cluster.startWorker(['--kubeconfig', join(cluster.dataDir, 'kubeconfig')]);
    await until('it answers', () => cluster.kubectl(['exec', cluster.podOfWorker, '--', 'echo', 'on']).stdout === 'on\n', () => readFileSync(join(cluster.directory, 'w1.log'), 'utf8'));
    must(JSON.stringify(cluster.pods()) === before, `${before}\n${JSON.stringify(cluster.pods())}`);
  },
  async (cluster) => {
    cluster.mustKubectl(['delete', 'deployment/web', 'pod/talk', 'pod/brief', '--timeout=30s']);
    cluster.mustKubectl(['delete', 'pods', '-l', 'of=services', '--timeout=30s']);
    await until('no pods', () => cluster.mustKubectl(['get', 'pods', '-o', 'name']) === '');
    await until('no containers', () => mustRun('ctr', ['-a', SOCKET, '-n', 'k8s.io', 'containers', 'ls', '-q']).stdout === '');
    must(!existsSync(join(cluster.directory, 'w1', 'pods', 'talk')), 'the files of the pod');
  },
  async (cluster) => {
    const ended = new Promise((done) => cluster.worker?.once('exit', done));
    cluster.worker?.kill('SIGTERM');
    await ended;
    cluster.mustKubectl(['run', 'last', `--image=${IMAGE}`, '--overrides={"spec":{"nodeName":"node-1"}}', '--', 'sleep', '1000']);
    cluster.mustKubectl(['wait', '--for=condition=Ready', 'pod/last', '--timeout=30s']);
    const dns = ['exec', 'last', '--', 'nslookup', 'kubernetes.default.svc.cluster.local', '10.96.0.10'];
    mustRun(process.execPath, ['dist/src/main.js', 'node', '--purge', '--name', 'w1', '--node-dir', join(cluster.directory, 'w1')]);
    must(!existsSync(join(cluster.directory, 'w1')), 'the directory of the worker');
    must(cluster.mustKubectl(dns).includes('10.96.0.1'), 'what the other node needs stays');
    must(leftInTheMachine().length === LEFT_OF_ONE_NODE, leftInTheMachine().join('\n'));
    cluster.podium('down', '--purge');
    await until('no containers', () => mustRun('ctr', ['-a', SOCKET, '-n', 'k8s.io', 'containers', 'ls', '-q']).stdout === '');
    must(leftInTheMachine().length === 0, leftInTheMachine().join('\n'));
    must(!existsSync(cluster.dataDir), 'the data directory');
  },
];

async function main(directory: string): Promise<void> {
  const containerd = await Containerd.start(join(directory, 'containerd'), 'crun');
  const cluster = new CriCluster(directory, containerd);
  writeFileSync(join(directory, 'config.yaml'), CONFIG);
  writeFileSync(join(directory, 'web.yaml'), DEPLOYMENT);
  for (const [index, step] of CRI_STEPS.entries()) {
    const start = systemClock.monotonic();
    const failure = await Promise.resolve()
      .then(() => steps[index]!(cluster))
      .then(() => undefined, (error: unknown) => describeError(error));
    process.stdout.write(`${JSON.stringify({ step, ms: Math.round(systemClock.monotonic() - start), ...(failure === undefined ? {} : { failure }) } satisfies Step)}\n`);
  }
  await containerd.kill();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2] ?? '');
