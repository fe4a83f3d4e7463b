/** What a person types and sees, word for word, against the real API server in one process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inNamespace, resources } from '../../src/client/api-client.ts';
import type { View } from '../../src/cli/core/view.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const directory = mkdtempSync(join(tmpdir(), 'podium-cli-'));
afterAll(() => rmSync(directory, { recursive: true }));

let terminal: Terminal;
beforeEach(async () => void (terminal = await openTerminal()));
afterEach(() => terminal.server.stop());
const run = (line: string, stdin?: string) => terminal.run(line, stdin);

const pods = inNamespace(resources.pods, 'default');
const replicaSets = inNamespace(resources.replicaSets, 'default');
const deployments = inNamespace(resources.deployments, 'default');

const hello = (version: string, extra = '') => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: hello, labels: { app: hello } }
spec:
  replicas: 2
  selector: { matchLabels: { app: hello } }
  template:
    metadata: { labels: { app: hello } }
    spec:
      containers:
        - name: web
          image: web:${version}
          env: [{ name: VERSION, value: "${version}" }${extra}]
---
apiVersion: v1
kind: Service
metadata: { name: hello }
spec: { type: NodePort, selector: { app: hello }, ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] }
`;

const podManifest = (name: string, node = '') => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: hello } }
spec: { ${node === '' ? '' : `nodeName: ${node}, `}containers: [{ name: web, image: web:1, resources: { requests: { cpu: 250m, memory: 64Mi } } }] }
`;

async function addNode(name: string): Promise<void> {
  const node = await terminal.client.create<View>(resources.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
  await terminal.client.updateStatus<View>(resources.nodes, {
    ...node,
    status: {
      capacity: { cpu: '4', memory: '4Gi', pods: '110' },
      allocatable: { cpu: '4', memory: '4Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      nodeInfo: { kubeletVersion: 'v0.1.0' },
    },
  });
}

async function setStatus(name: string, status: object): Promise<void> {
  const pod = await terminal.client.get<View>(pods, name);
  await terminal.client.updateStatus<View>(pods, { ...pod, status });
}

describe('apply', () => {
  test('created, unchanged, configured', async () => {
    expect(await run('apply -f -', hello('v1'))).toBe('deployment.apps/hello created\nservice/hello created\n');
    expect(await run('apply -f -', hello('v1'))).toBe('deployment.apps/hello unchanged\nservice/hello unchanged\n');
    expect(await run('apply -f -', hello('v2'))).toBe('deployment.apps/hello configured\nservice/hello unchanged\n');
  });

  test('apply: what was applied is noted as kubectl notes it', async () => {
    const { run } = await openTerminal();
    await run('apply -f -', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: noted}\ndata: {b: "<x> & y", a: "0644"}\n');
    const { metadata } = JSON.parse(await run('get cm noted -o json')) as { metadata: { annotations: Record<string, string> } };
    // By kubectl 1.34, of the same manifest.
    const noted = '{"apiVersion":"v1","data":{"a":"0644","b":"\\u003cx\\u003e \\u0026 y"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"noted","namespace":"default"}}\n';
    expect(metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']).toBe(noted);
  });

  test('takes away what the manifest no longer says, and leaves what others set', async () => {
    await run('apply -f -', hello('v1', ', { name: OLD, value: gone }'));
    await run('scale deploy/hello --replicas=5');
    await terminal.client.patch<View>(deployments, 'hello', {
      type: 'merge',
      patch: { metadata: { labels: { foreign: 'kept' } } },
    });
    expect(await run('apply -f -', hello('v1').replace('  replicas: 2\n', ''))).toContain('deployment.apps/hello configured');
    const { metadata, spec } = await terminal.client.get<View>(deployments, 'hello');
    expect(metadata.labels).toEqual({ app: 'hello', foreign: 'kept' });
    expect((spec as { template: { spec: { containers: { env: object[] }[] } } }).template.spec.containers[0]!.env).toEqual([
      { name: 'VERSION', value: 'v1' },
    ]);
  });

  test('--dry-run changes nothing', async () => {
    expect(await run('apply --dry-run=server -f -', hello('v1'))).toContain('deployment.apps/hello created (server dry run)');
    expect(await run('get deploy')).toBe('No resources found in default namespace.\n');
  });

  test('refuses bad input where it stands, and goes on with the others', async () => {
    expect(await run('apply -f -', 'a: [1\nb: 2\n')).toMatch(/^exit 1\nerror: STDIN:\d+:\d+: /);
    expect(await run('apply -f -', 'kind: Pod\nmetadata: {}\n')).toBe("exit 1\nerror: STDIN:1:1: Object 'apiVersion' is missing\n");
    expect(await run('apply -f -', 'apiVersion: v1\nkind: Deployment\nmetadata: { name: a }\n')).toBe(
      'exit 1\nerror: STDIN:1:1: no matches for kind "Deployment" in version "v1": its version is apps/v1\n',
    );
    expect(await run('apply -f /nowhere.yaml')).toBe('exit 1\nerror: the path "/nowhere.yaml" does not exist\n');
    const both = `${podManifest('Bad_Name')}---${podManifest('good')}`;
    const shown = await run('apply -f -', both);
    expect(shown).toContain('The Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"');
    expect(shown).toContain('pod/good created\n');
    expect(shown).toMatch(/^exit 1\n/);
  });

  test('reads a directory, and says which namespace does not fit', async () => {
    writeFileSync(join(directory, 'a.yaml'), podManifest('a'));
    writeFileSync(join(directory, 'b.json'), JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' } }));
    writeFileSync(join(directory, 'notes.txt'), 'not a manifest');
    expect(await run(`apply -f ${directory}`)).toBe('pod/a created\nconfigmap/b created\n');
    const fixed = podManifest('a').replace('name: a,', 'name: a, namespace: default,');
    expect(await run('apply -n kube-system -f -', fixed)).toContain(
      `the namespace from the provided object "default" does not match the namespace "kube-system"`,
    );
  });

  test('--server-side owns fields, and asks before it takes them over', async () => {
    expect(await run('apply --server-side -f -', hello('v1'))).toBe('deployment.apps/hello serverside-applied\nservice/hello serverside-applied\n');
    const { metadata } = await terminal.client.get<View>(deployments, 'hello');
    expect(metadata.annotations ?? {}).toEqual({});
    await run('scale deploy/hello --replicas=5');
    const refused = await run('apply --server-side -f -', hello('v2'));
    expect(refused).toContain('exit 1\n');
    expect(refused).toContain('error: Apply failed with 1 conflict: conflict with "podium" using apps/v1');
    expect(refused).toContain(': .spec.replicas\nTake these fields over with --force-conflicts');
    expect(await run('apply --server-side --force-conflicts --field-manager me -f -', hello('v2'))).toContain('deployment.apps/hello serverside-applied\n');
    const taken = await terminal.client.get<View>(deployments, 'hello');
    expect(taken['spec']).toMatchObject({ replicas: 2 });
    expect(JSON.stringify(taken.metadata)).toContain('"manager":"me"');
    expect(await run('apply --force-conflicts -f -', hello('v1'))).toBe('exit 1\nerror: --force-conflicts only works with --server-side\n');
    expect(await run('apply --server-side --dry-run=client -f -', hello('v1'))).toContain("error: --dry-run=client doesn't work with --server-side");
  });

  test('create refuses a second object of a name', async () => {
    expect(await run('create -f -', podManifest('a'))).toBe('pod/a created\n');
    expect(await run('create -f -', podManifest('a'))).toContain('Error from server (AlreadyExists): pods "a" already exists');
  });
});

describe('get', () => {
  test('tables have the columns of kubectl', async () => {
    await addNode('node-1');
    await run('apply -f -', hello('v1'));
    await run('apply -f -', podManifest('one', 'node-1') + '---' + podManifest('two'));
    await setStatus('one', {
      phase: 'Running',
      podIP: '127.8.0.1',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        {
          name: 'web',
          ready: true,
          restartCount: 1,
          image: 'web:1',
          state: { running: {} },
          lastState: { terminated: { exitCode: 1, finishedAt: new Date(terminal.clock.wall() - 5_000).toISOString() } },
        },
      ],
    });
    await terminal.clock.advance(90_000);
    expect(`\n${await run('get pods')}`).toBe(`
NAME   READY   STATUS    RESTARTS      AGE
one    1/1     Running   1 (95s ago)   90s
two    0/1     Pending   0             90s
`);
    expect(`\n${await run('get po one -o wide')}`).toBe(`
NAME   READY   STATUS    RESTARTS      AGE   IP          NODE     NOMINATED NODE   READINESS GATES
one    1/1     Running   1 (95s ago)   90s   127.8.0.1   node-1   <none>           <none>
`);
    expect(`\n${await run('get deploy,svc -A')}`).toMatch(
      new RegExp(`
NAMESPACE   NAME                    READY   UP-TO-DATE   AVAILABLE   AGE
default     deployment\\.apps/hello   0/2     0            0           90s

NAMESPACE   NAME            TYPE       CLUSTER-IP +EXTERNAL-IP   PORT\\(S\\) +AGE
default     service/hello   NodePort   10\\.96\\.[\\d.]+ +<none>        80:30080/TCP   90s
`),
    );
    expect(await run('get nodes')).toBe('NAME     STATUS   ROLES    AGE   VERSION\nnode-1   Ready    <none>   90s   v0.1.0\n');
    expect(await run('get pods -o name -l app=hello --field-selector spec.nodeName=node-1')).toBe('pod/one\n');
    expect(await run('get ns --no-headers')).toMatch(/^default +Active +9\ds\n/);
  });

  test('-L, --show-labels and --sort-by', async () => {
    await run('apply -f -', ['pod-10', 'pod-9', 'pod-1'].map((name) => podManifest(name)).join('---'));
    await terminal.clock.advance(5_000);
    expect(`\n${await run('get pods -L app,x.y/tier --show-labels --sort-by .metadata.name')}`).toBe(`
NAME     READY   STATUS    RESTARTS   AGE   APP     TIER   LABELS
pod-1    0/1     Pending   0          5s    hello          app=hello
pod-9    0/1     Pending   0          5s    hello          app=hello
pod-10   0/1     Pending   0          5s    hello          app=hello
`);
    expect(await run('get pods -o name --sort-by {.metadata.name}')).toBe('pod/pod-1\npod/pod-9\npod/pod-10\n');
    expect(await run('get pods --sort-by .spec.nothing')).toContain("error: couldn't find any field with path");
  });

  test('yaml and json hold the object, or a List', async () => {
    await run('apply -f -', podManifest('one'));
    expect(JSON.parse(await run('get pod one -ojson'))).toMatchObject({ kind: 'Pod', metadata: { name: 'one' } });
    expect(JSON.parse(await run('get pods -o json'))).toMatchObject({ kind: 'List', items: [{ metadata: { name: 'one' } }] });
    expect(await run('get pod/one -o yaml')).toMatch(/^apiVersion: v1\nkind: Pod\nmetadata:\n {2}annotations:\n/);
  });

  test('says what is missing, unknown or contradictory in the words of kubectl', async () => {
    expect(await run('get deploy x')).toBe('exit 1\nError from server (NotFound): deployments.apps "x" not found\n');
    expect(await run('get pods')).toBe('No resources found in default namespace.\n');
    expect(await run('get pods -A')).toBe('No resources found\n');
    expect(await run('get pod x --ignore-not-found')).toBe('');
    expect(await run('get podz')).toBe(`exit 1\nerror: the server doesn't have a resource type "podz"; did you mean pods?\n`);
    expect(await run('get pods -o tables')).toContain('allowed formats are: wide,yaml,json,name');
    expect(await run('get pods x -l a=b')).toBe('exit 1\nerror: name cannot be provided when a selector is specified\n');
    expect(await run('get pods,svc -w')).toContain('you may only specify a single resource type');
  });

  test('-w shows every change, in line with what was shown before', async () => {
    await run('apply -f -', podManifest('one'));
    const watch = terminal.start('get pods -w');
    await terminal.clock.advance(1_000);
    await setStatus('one', { phase: 'Running', containerStatuses: [] });
    await terminal.clock.advance(1_000);
    expect(`\n${await watch.stop()}`).toBe(`
NAME   READY   STATUS    RESTARTS   AGE
one    0/1     Pending   0          0s
one    0/1     Running   0          1s
`);
  });
});

describe('delete', () => {
  test('by name, by manifest, by selector; waits until they are gone', async () => {
    await run('apply -f -', podManifest('one') + '---' + podManifest('two') + '---' + podManifest('three'));
    expect(await run('delete pod one')).toBe('pod "one" deleted\n');
    expect(await run('get pod one')).toContain('NotFound');
    expect(await run('delete -f -', podManifest('two'))).toBe('pod "two" deleted\n');
    expect(await run('delete pods -l app=hello')).toBe('pod "three" deleted\n');
    expect(await run('delete deploy/x')).toBe('exit 1\nError from server (NotFound): deployments.apps "x" not found\n');
    expect(await run('delete pods')).toContain('no name was specified');
  });

  test('a pod on a node is waited for; --wait=false and --timeout do not wait for ever', async () => {
    await addNode('node-1');
    await run('apply -f -', podManifest('one', 'node-1'));
    expect(await run('delete pod one --wait=false')).toBe('pod "one" deleted\n');
    expect(await run('get pods')).toContain('Terminating');
    expect(await run('delete pod one --timeout=2s')).toBe('exit 1\npod "one" deleted\nerror: timed out waiting for the condition on pod/one\n');
    expect(await run('delete pod one --force --grace-period=0')).toBe('pod "one" force deleted\n');
    expect(await run('get pods')).toBe('No resources found in default namespace.\n');
  });
});

/** What the Deployment's controller would have made of each revision. */
async function addRevision(revision: number): Promise<void> {
  const deployment = await terminal.client.get<View>(deployments, 'hello');
  const spec = deployment['spec'] as { template: { metadata: { labels: object } } };
  const labels = { app: 'hello', 'pod-template-hash': `h${revision}` };
  await terminal.client.create<View>(replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `hello-h${revision}`,
      labels,
      annotations: { 'deployment.kubernetes.io/revision': String(revision) },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'hello', uid: deployment.metadata.uid!, controller: true }],
    },
    spec: { selector: { matchLabels: labels }, template: { ...spec.template, metadata: { labels } } },
  });
}

describe('rollout', () => {
  test('history and undo go by the ReplicaSets', async () => {
    await run('apply -f -', hello('v1'));
    await addRevision(1);
    await run('apply -f -', hello('v2', ', { name: NEW, value: x }'));
    await addRevision(2);
    expect(await run('rollout history deployment/hello')).toBe(
      'deployment.apps/hello \nREVISION   CHANGE-CAUSE\n1          <none>\n2          <none>\n\n',
    );
    expect(await run('rollout history deploy hello --revision=1')).toContain('    Image:\tweb:v1\n');
    expect(await run('rollout undo deploy/hello')).toBe('deployment.apps/hello rolled back\n');
    const { spec } = await terminal.client.get<View>(deployments, 'hello');
    const { template } = spec as { template: { metadata: object; spec: { containers: object[] } } };
    expect(template.metadata).toEqual({ labels: { app: 'hello' } });
    expect(template.spec.containers[0]).toMatchObject({ image: 'web:v1', env: [{ name: 'VERSION', value: 'v1' }] });
    expect(await run('rollout undo deploy/hello --to-revision=9')).toContain('unable to find specified revision 9 in history');
  });

  test('status waits, in the words of kubectl, until all are available', async () => {
    await run('apply -f -', hello('v1'));
    const status = terminal.start('rollout status deploy/hello');
    await terminal.clock.advance(500);
    const tell = async (counts: object) => {
      const deployment = await terminal.client.get<View>(deployments, 'hello');
      await terminal.client.updateStatus<View>(deployments, { ...deployment, status: { observedGeneration: 1, ...counts } });
      await terminal.clock.advance(500);
    };
    await tell({ replicas: 2, updatedReplicas: 1, availableReplicas: 1 });
    await tell({ replicas: 3, updatedReplicas: 2, availableReplicas: 2 });
    await tell({ replicas: 2, updatedReplicas: 2, availableReplicas: 1 });
    await tell({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 });
    expect(`\n${status.shown()}`).toBe(`
Waiting for deployment spec update to be observed...
Waiting for deployment "hello" rollout to finish: 1 out of 2 new replicas have been updated...
Waiting for deployment "hello" rollout to finish: 1 old replicas are pending termination...
Waiting for deployment "hello" rollout to finish: 1 of 2 updated replicas are available...
deployment "hello" successfully rolled out
`);
    expect(await run('rollout status deploy/hello')).toBe('deployment "hello" successfully rolled out\n');
  });

  test('status gives up at its timeout and at the progress deadline', async () => {
    await run('apply -f -', hello('v1'));
    expect(await run('rollout status deploy/hello --timeout=3s')).toContain('exit 1\n');
    expect(await run('rollout status deploy/hello --timeout=3s')).toContain('error: timed out waiting for the condition\n');
    const deployment = await terminal.client.get<View>(deployments, 'hello');
    const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }];
    await terminal.client.updateStatus<View>(deployments, { ...deployment, status: { observedGeneration: 1, conditions } });
    expect(await run('rollout status deploy/hello')).toBe('exit 1\nerror: deployment "hello" exceeded its progress deadline\n');
  });

  test('restart stamps the template, pause and resume say when there is nothing to do', async () => {
    await run('apply -f -', hello('v1'));
    expect(await run('rollout restart deploy/hello')).toBe('deployment.apps/hello restarted\n');
    expect(await run('get deploy hello -o yaml')).toContain('kubectl.kubernetes.io/restartedAt:');
    expect(await run('rollout pause deploy/hello')).toBe('deployment.apps/hello paused\n');
    expect(await run('rollout pause deploy/hello')).toBe('exit 1\nerror: deployments.apps "hello" is already paused\n');
    expect(await run('rollout undo deploy/hello')).toContain('you cannot rollback a paused deployment');
    expect(await run('rollout resume deploy/hello')).toBe('deployment.apps/hello resumed\n');
  });
});

describe('the other verbs', () => {
  test('scale', async () => {
    await run('apply -f -', hello('v1'));
    expect(await run('scale --replicas=4 deployment/hello')).toBe('deployment.apps/hello scaled\n');
    expect(await run('scale deploy hello --replicas 5 --current-replicas 3')).toBe('exit 1\nerror: Expected replicas to be 3, was 4\n');
    expect(await run('scale svc/hello --replicas=1')).toBe('exit 1\nerror: services have no replicas to scale\n');
    expect(await run('scale deploy/hello --replicas=x')).toContain('--replicas must be a whole number');
  });

  test('logs chooses the pod and the container', async () => {
    await run('apply -f -', podManifest('one'));
    expect(await run('logs one')).toBe('one/web: one\none/web: two\n');
    expect(await run('logs one web --tail=1')).toContain('one/web');
    expect(await run('logs -f -l app=hello --prefix')).toBe('[pod/one/web] one/web: one\n[pod/one/web] one/web: two, followed\n');
    expect(await run('logs one -c db')).toContain('container db is not valid for pod one: choose one of web');
    expect(await run('logs nobody')).toBe('exit 1\nError from server (NotFound): pods "nobody" not found\n');
  });

  test('cordon, drain, uncordon', async () => {
    await addNode('node-1');
    await run('apply -f -', podManifest('one', 'node-1'));
    expect(await run('cordon node-1')).toBe('node/node-1 cordoned\n');
    expect(await run('cordon node-1')).toBe('node/node-1 already cordoned\n');
    expect(await run('get nodes')).toContain('Ready,SchedulingDisabled');
    expect(await run('drain node-1')).toContain('cannot delete Pods that declare no controller (use --force to override): default/one');
    const drain = terminal.start('drain node-1 --force');
    await terminal.clock.advance(1_000);
    expect(drain.shown()).toBe('node/node-1 already cordoned\nevicting pod default/one\n');
    await run('delete pod one --force --grace-period=0');
    await terminal.clock.advance(1_000);
    expect(await drain.stop()).toContain('pod/one evicted\nnode/node-1 drained\n');
    expect(await run('uncordon node-1')).toBe('node/node-1 uncordoned\n');
  });

  test('capacity says who has room', async () => {
    await addNode('node-1');
    await addNode('node-2');
    await run('apply -f -', podManifest('one', 'node-1') + '---' + podManifest('two', 'node-1'));
    expect(`\n${await run('capacity')}`).toBe(`
NODE     STATUS   CPU   REQUESTED   FREE    MEMORY   REQUESTED   FREE     PODS   RUNNING   FREE
node-1   Ready    4     500m        3500m   4Gi      128Mi       3968Mi   110    2         108
node-2   Ready    4     0           4       4Gi      0           4Gi      110    0         110
total             8     500m        7500m   8Gi      128Mi       8064Mi   220    2         218
`);
  });

  test('describe shows the object, what belongs to it, and its events', async () => {
    await run('apply -f -', podManifest('one'));
    const pod = await terminal.client.get<View>(pods, 'one');
    await terminal.client.create<View>(inNamespace(resources.events, 'default'), {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'one.1' },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name: 'one', namespace: 'default', uid: pod.metadata.uid },
      reason: 'FailedScheduling',
      message: '0/1 nodes are available',
      type: 'Warning',
      count: 1,
      lastTimestamp: new Date(terminal.clock.wall()).toISOString(),
      source: { component: 'scheduler' },
    });
    await terminal.clock.advance(5_000);
    const shown = await run('describe pod one');
    expect(shown).toMatch(/^Name: +one\nNamespace: +default\n/);
    expect(shown).toContain('    Image:          web:1\n');
    expect(shown).toMatch(/^Start Time: +<unset>$/m);
    const labels = '{ app: timed }';
    await run(
      'apply -f -',
      `apiVersion: apps/v1
kind: Deployment
metadata: { name: timed }
spec: { selector: { matchLabels: ${labels} }, template: { metadata: { labels: ${labels} }, spec: { containers: [{ name: c, image: i }] } } }
`,
    );
    expect(await run('describe deployment timed')).toMatch(/^CreationTimestamp: +\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/m);
    expect(shown).toMatch(/Events:\n {2}Type +Reason +Age +From +Message\n {2}---- .*\n {2}Warning {2}FailedScheduling {2}5s +scheduler {2}0\/1 nodes are available\n$/);
    expect(await run('events --for pod/one')).toBe(
      'LAST SEEN   TYPE      REASON             OBJECT    MESSAGE\n5s          Warning   FailedScheduling   pod/one   0/1 nodes are available\n',
    );
    expect(await run('describe pod nobody')).toBe('exit 1\nError from server (NotFound): pods "nobody" not found\n');
  });

  test('an unknown command, flag or missing argument is refused with what was meant', async () => {
    const errors: string[] = [];
    const write = process.stderr.write.bind(process.stderr);
    process.stderr.write = (text: string | Uint8Array) => (errors.push(String(text)), true);
    try {
      expect(await run('gte pods')).toBe('exit 1\n');
      expect(await run('get pods --namespce x')).toBe('exit 1\n');
      expect(await run('apply')).toBe('exit 1\n');
    } finally {
      process.stderr.write = write;
    }
    expect(errors.join('')).toContain('(Did you mean get?)');
    expect(errors.join('')).toContain('(Did you mean --namespace?)');
    expect(errors.join('')).toContain("required option '-f, --filename <path>' not specified");
  });
});
