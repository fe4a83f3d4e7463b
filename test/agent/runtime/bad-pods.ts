/** Pods that cannot be as they are asked for, and what Kubernetes users expect to be told of each. */

export interface BadPod {
  readonly spec: object;
  /** Not asked of the process runtime: it takes isolation. */
  readonly isIsolated?: boolean;
  /** An ordinary user has none to give. */
  readonly needsLimits?: boolean;
  /** Why its container waits; of a program that could not start, after its back-off has begun. */
  readonly waiting?: string;
  /** How its container ended last. */
  readonly ended?: { readonly reason: RegExp; readonly reasonByCri?: RegExp; readonly exitCode: number };
  /** Of the pod as a whole. */
  readonly failed?: string;
  /** What the waiting state, the last end or the pod says. */
  readonly says?: RegExp;
  readonly events: readonly RegExp[];
  /** With what is missing it runs, if `MISSING` is what is missing. */
  readonly isMended?: boolean;
}

export const HOST_PORT = 8_321;

const SLEEP = { image: 'podium.dev/host', command: ['sleep', '1000'] };

function main(container: object, spec: object = {}): object {
  return { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', ...SLEEP, ...container }], ...spec };
}

const withVolume = (volume: object, container: object = {}) => main({ volumeMounts: [{ name: 'v', mountPath: '/v' }], ...container }, { volumes: [{ name: 'v', ...volume }] });
const mountFailed = (why: string) => new RegExp(`MountVolume\\.SetUp failed for volume "v" : ${why}$`);
const unmounted = (spec: object, why: string, isMended = false): BadPod => ({
  spec,
  waiting: 'ContainerCreating',
  says: mountFailed(why),
  events: [new RegExp(`^FailedMount: ${mountFailed(why).source}`)],
  isMended,
});
const unconfigured = (spec: object, why: string, isMended = false): BadPod => ({
  spec,
  waiting: 'CreateContainerConfigError',
  says: new RegExp(`^${why}`),
  events: [new RegExp(`^Failed: Error: ${why}`)],
  isMended,
});
const notStarted = (spec: object, why: RegExp): BadPod => ({
  spec,
  waiting: 'CrashLoopBackOff',
  says: why,
  ended: { reason: /^StartError$/, exitCode: 128 },
  events: [new RegExp(`^Failed: Error: .*${why.source}`), /^BackOff: Back-off restarting failed container main in pod /],
});

/** Is there from the first. */
export const THERE = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'there' }, data: { key: 'value', program: '#!/bin/sh\n' } };
/** What `isMended` wait for. */
export const MISSING = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'none' }, data: { key: 'value' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'none' }, stringData: { key: 'value' } },
];

const fromKey = (kind: 'configMapKeyRef' | 'secretKeyRef', name: string, key: string) => main({ env: [{ name: 'A', valueFrom: { [kind]: { name, key } } }] });

export const BAD_PODS: Readonly<Record<string, BadPod>> = {
  'no-config-map': unmounted(withVolume({ configMap: { name: 'none' } }), 'configmap "none" not found', true),
  'no-secret': unmounted(withVolume({ secret: { secretName: 'none' } }), 'secret "none" not found', true),
  'no-key': unmounted(withVolume({ configMap: { name: 'there', items: [{ key: 'other', path: 'x' }] } }), 'configmap references non-existent config key: other'),
  'no-directory': unmounted(withVolume({ hostPath: { path: '/etc/hosts', type: 'Directory' } }), 'hostPath type check failed: /etc/hosts is not a directory'),
  'no-file': unmounted(withVolume({ hostPath: { path: '/etc', type: 'File' } }), 'hostPath type check failed: /etc is not a file'),
  'out-of-volume': unconfigured(
    main({ volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'out' }] }, {
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [{ name: 'link', ...SLEEP, command: ['ln', '-s', '/etc', 'v/out'], workingDir: '/', volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
    }),
    'failed to prepare subPath for volumeMount "v" of container "main"',
  ),
  'env-no-config-map': unconfigured(main({ envFrom: [{ configMapRef: { name: 'none' } }] }), 'configmap "none" not found', true),
  'env-no-secret': unconfigured(fromKey('secretKeyRef', 'none', 'key'), 'secret "none" not found', true),
  'env-no-key': unconfigured(fromKey('configMapKeyRef', 'there', 'other'), "couldn't find key other in ConfigMap default/there"),
  'no-program': notStarted(main({ command: ['no-such-program'] }), /no-such-program/),
  'not-executable': notStarted(withVolume({ configMap: { name: 'there' } }, { command: ['v/program'], workingDir: '/' }), /[Pp]ermission denied/),
  'work-in-a-file': { ...notStarted(main({ workingDir: '/etc/hosts' }), /[Nn]ot a directory/), isIsolated: true },
  'too-small': {
    isIsolated: true,
    needsLimits: true,
    spec: main({ command: ['node', '-e', '0'], resources: { limits: { memory: '256Ki' } } }),
    waiting: 'CrashLoopBackOff',
    // containerd does not hear why it was killed before its start was over.
    ended: { reason: /^(StartError|OOMKilled)$/, reasonByCri: /^(StartError|OOMKilled|Error)$/, exitCode: -1 },
    events: [/^BackOff: /],
  },
  'port-taken': {
    spec: main({ ports: [{ containerPort: 80, hostPort: HOST_PORT }] }),
    failed: 'NodePorts',
    says: /^Pod was rejected: Predicate NodePorts failed: node\(s\) didn't have free ports for the requested pod ports$/,
    events: [/^NodePorts: Predicate NodePorts failed: /],
  },
};

/** Odd, and yet to be run: what each prints. */
export const ODD_PODS: Readonly<Record<string, { readonly spec: object; readonly prints: (text: string) => boolean; readonly isIsolated?: boolean }>> = {
  // By CRI the end of a line is what brings its last part into the log.
  'long-line': { spec: main({ command: ['sh', '-c', 'head -c 1048576 /dev/zero | tr "\\0" x; echo; sleep 1000'] }), prints: (text) => text.length === 1_048_577 && /^x+\n$/.test(text) },
  'odd-variables': { spec: main({ command: ['env'], env: [{ name: 'a.b-c', value: "x'y" }, { name: '1', value: '$(none) "q"\nline' }] }, { restartPolicy: 'Never' }), prints: (text) => text.includes("a.b-c=x'y\n") && text.includes('1=$(none) "q"\nline\n') },
  [`long-${'n'.repeat(220)}`]: {
    spec: { ...main({}), containers: [{ name: 'c'.repeat(63), ...SLEEP, command: ['sh', '-c', 'echo up; sleep 1000'] }] },
    prints: (text) => text === 'up\n',
  },
  'new-directory': { spec: main({ workingDir: '/tmp/not/there', command: ['sh', '-c', 'pwd; sleep 1000'] }), prints: (text) => text === '/tmp/not/there\n', isIsolated: true },
  'many-words': { spec: main({ command: ['sh', '-c', `head -c 1048576 /dev/zero | tr '\\0' x >dev/termination-log; exit 3`] }), prints: () => true },
};
