/**
 * Objects of every kind that is served, most of them as bare as they may be, and changes to them: what a real API server
 * makes of each, and what it says of each change, is kept in test/golden/defaults.
 */
export type Manifest = { readonly apiVersion: string; readonly kind: string; readonly metadata: { readonly name: string } & Readonly<Record<string, unknown>> } & Readonly<Record<string, unknown>>;

export interface Subject {
  readonly object: Manifest;
  /** JSON merge patches, each tried alone on the object as it was made. */
  readonly changes: readonly object[];
}

const subject = (apiVersion: string, kind: string, fields: object = {}, changes: readonly object[] = [], metadata: object = {}): Subject => ({
  object: { apiVersion, kind, metadata: { name: 'o', ...metadata }, ...fields },
  changes: [{ metadata: { labels: { a: 'b' } } }, ...changes],
});
const spec = (...specs: readonly object[]) => specs.map((one) => ({ spec: one }));

const labels = { app: 'web' };
const selector = { matchLabels: labels };
const container = { name: 'c', image: 'web' };
const template = (podSpec: object = {}, metadata: object = {}) => ({ metadata: { labels, ...metadata }, spec: { containers: [container], ...podSpec } });
const jobTemplate = { spec: { containers: [container], restartPolicy: 'Never' } };

const richPod = {
  containers: [
    {
      name: 'c',
      image: 'web:1',
      ports: [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP', name: 'dns' }],
      env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, { name: 'B', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }, { name: 'C', value: '' }],
      resources: { limits: { cpu: '0.5', memory: '1024Mi' }, requests: { cpu: '100m' } },
      livenessProbe: { httpGet: { port: 80 } },
      readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 3 },
      startupProbe: { grpc: { port: 80 } },
      lifecycle: { preStop: { httpGet: { port: 80 } } },
      securityContext: {},
    },
    { name: 'd', image: 'web@sha256:0123456789012345678901234567890123456789012345678901234567890123', resources: { requests: { cpu: 1 } } },
  ],
  initContainers: [{ name: 'i', image: 'registry:5000/web' }],
  volumes: [
    { name: 'a' },
    { name: 'b', configMap: { name: 'x' } },
    { name: 'c', secret: { secretName: 'x' } },
    { name: 'd', hostPath: { path: '/x' } },
    { name: 'e', downwardAPI: { items: [{ path: 'x', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    { name: 'f', projected: { sources: [{ configMap: { name: 'x' } }, { downwardAPI: { items: [{ path: 'y', fieldRef: { fieldPath: 'metadata.name' } }] } }] } },
    { name: 'g', iscsi: { targetPortal: 'x', iqn: 'iqn.2015-02.example.com:test', lun: 0 } },
    { name: 'h', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } } } },
    { name: 'i', emptyDir: { sizeLimit: '1000Mi' } },
    { name: 'j', persistentVolumeClaim: { claimName: 'x' } },
    { name: 'k', nfs: { server: 'x', path: '/x' } },
    { name: 'l', csi: { driver: 'x' } },
    { name: 'm', rbd: { monitors: ['x'], image: 'x' } },
    { name: 'n', azureDisk: { diskName: 'x', diskURI: 'https://x' } },
    { name: 'o', scaleIO: { gateway: 'x', system: 'x', volumeName: 'x', secretRef: { name: 'x' } } },
    { name: 'p', image: { reference: 'x:latest' } },
  ],
  topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: selector }],
  tolerations: [{ key: 'a' }, { operator: 'Exists' }],
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: selector }] } },
};

const PODS: readonly Subject[] = [
  subject('v1', 'Pod', { spec: { containers: [container] } }, [
    ...spec({ containers: [{ ...container, image: 'web:2' }] }, { containers: [{ ...container, command: ['x'] }] }, { nodeName: 'n' }, { activeDeadlineSeconds: 5 }, { terminationGracePeriodSeconds: 1 }, { tolerations: [{ key: 'x', operator: 'Exists' }] }),
    ...spec({ restartPolicy: 'Never' }, { hostNetwork: true }, { serviceAccountName: 'x' }, { schedulerName: 'x' }, { priority: 7 }, { containers: [container, { name: 'd', image: 'x' }] }, { schedulingGates: [{ name: 'x' }] }, { volumes: [{ name: 'x' }] }),
  ]),
  subject('v1', 'Pod', { spec: richPod }),
  subject('v1', 'Pod', { spec: { containers: [{ ...container, ports: [{ containerPort: 80 }] }], hostNetwork: true, priorityClassName: 'system-node-critical', restartPolicy: 'Never' } }, [], { namespace: 'kube-system' }),
  subject('v1', 'Pod', { spec: { containers: [{ ...container, resources: { limits: { cpu: '1' } } }], schedulingGates: [{ name: 'x' }] } }),
  subject('v1', 'Pod', { spec: { containers: [container], initContainers: [{ name: 'i', image: 'x:latest', restartPolicy: 'Always', resources: { limits: { memory: '1500M' } } }], securityContext: { runAsUser: 5 }, os: { name: 'linux' }, preemptionPolicy: 'PreemptLowerPriority' } }),
];

const WORKLOADS: readonly Subject[] = [
  subject('apps/v1', 'Deployment', { spec: { selector, template: template() } }, spec({ selector: { matchLabels: { app: 'other' } } }, { replicas: 3 }, { replicas: -1 }, { strategy: { type: 'Recreate' } }, { strategy: { type: 'Recreate', rollingUpdate: null } }, { template: { metadata: { labels: { app: 'other' } } } }, { minReadySeconds: 700 }, { paused: true }, { revisionHistoryLimit: 0 })),
  subject('apps/v1', 'Deployment', { spec: { selector, template: template(), strategy: { type: 'Recreate' }, replicas: 0 } }),
  subject('apps/v1', 'Deployment', { spec: { selector, template: template(), strategy: { rollingUpdate: { maxSurge: 2 } } } }),
  subject('apps/v1', 'Deployment', { spec: { selector, template: template({ hostNetwork: true, containers: [{ ...container, ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } } }] }) } }),
  subject('apps/v1', 'ReplicaSet', { spec: { selector, template: template() } }, spec({ selector: { matchLabels: { app: 'other' } } }, { replicas: 2 }, { template: { spec: { restartPolicy: 'Never' } } })),
  subject('apps/v1', 'StatefulSet', { spec: { selector, template: template(), serviceName: 's' } }, spec({ selector: { matchLabels: { app: 'other' } } }, { serviceName: 'x' }, { podManagementPolicy: 'Parallel' }, { replicas: 2 }, { updateStrategy: { type: 'OnDelete' } }, { volumeClaimTemplates: [{ metadata: { name: 'x' } }] }, { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete' } }, { minReadySeconds: 1 }, { ordinals: { start: 3 } }, { revisionHistoryLimit: 2 })),
  subject('apps/v1', 'StatefulSet', { spec: { selector, template: template(), updateStrategy: { type: 'OnDelete' }, volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }] } }),
  subject('apps/v1', 'DaemonSet', { spec: { selector, template: template() } }, spec({ selector: { matchLabels: { app: 'other' } } }, { minReadySeconds: 1 }, { updateStrategy: { type: 'OnDelete' } }, { updateStrategy: { rollingUpdate: { maxSurge: 1 } } })),
  subject('apps/v1', 'DaemonSet', { spec: { selector, template: template(), updateStrategy: { type: 'OnDelete' } } }),
  subject('apps/v1', 'ControllerRevision', { revision: 1, data: { a: 1 } }, [{ revision: 2 }, { data: { a: 2 } }]),
  subject('v1', 'ReplicationController', { spec: { template: template() } }, spec({ replicas: 2 }, { selector: { app: 'other' } })),
  subject('v1', 'PodTemplate', { template: template() }, [{ template: { spec: { restartPolicy: 'Never' } } }]),
  subject('batch/v1', 'Job', { spec: { template: jobTemplate } }, spec({ parallelism: 2 }, { completions: 3 }, { selector: { matchLabels: { a: 'b' } } }, { template: { spec: { restartPolicy: 'OnFailure' } } }, { suspend: true }, { completionMode: 'Indexed' }, { backoffLimit: 2 }, { activeDeadlineSeconds: 3 }, { ttlSecondsAfterFinished: 4 }, { podFailurePolicy: { rules: [] } }, { manualSelector: true })),
  subject('batch/v1', 'Job', { spec: { template: { ...jobTemplate, metadata: { labels } }, parallelism: 2 } }),
  subject('batch/v1', 'Job', { spec: { template: jobTemplate, completions: 2, completionMode: 'Indexed', backoffLimitPerIndex: 1 } }, spec({ completions: 3 }, { completions: 3, parallelism: 3 })),
  subject('batch/v1', 'Job', { spec: { template: jobTemplate, podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] } } }),
  subject('batch/v1', 'CronJob', { spec: { schedule: '* * * * *', jobTemplate: { spec: { template: jobTemplate } } } }, spec({ schedule: '@hourly' }, { suspend: true }, { schedule: 'x' }, { concurrencyPolicy: 'x' }, { timeZone: 'Mars/Olympus' })),
];

const NETWORK: readonly Subject[] = [
  subject('v1', 'Service', { spec: { ports: [{ port: 80 }] } }, spec({ clusterIP: '10.96.77.77' }, { clusterIP: 'None' }, { type: 'NodePort' }, { type: 'LoadBalancer' }, { type: 'ExternalName', externalName: 'x.y' }, { selector: { a: 'b' } }, { sessionAffinity: 'ClientIP' }, { ports: [{ port: 81 }] }, { ports: [] }, { ipFamilies: ['IPv6'] }, { internalTrafficPolicy: 'Local' }, { externalTrafficPolicy: 'Local' })),
  subject('v1', 'Service', { spec: { ports: [{ port: 80, targetPort: 'http', name: 'a' }, { port: 53, protocol: 'UDP', name: 'b' }], clusterIP: 'None', selector: labels } }, spec({ clusterIP: '10.96.77.78' })),
  subject('v1', 'Service', { spec: { ports: [{ port: 80, nodePort: 30123 }], type: 'NodePort', sessionAffinity: 'ClientIP' } }, spec({ type: 'ClusterIP' }, { ports: [{ port: 80, nodePort: 30124 }] })),
  subject('v1', 'Service', { spec: { type: 'ExternalName', externalName: 'example.com' } }, spec({ externalName: 'example.org' }, { type: 'ClusterIP', ports: [{ port: 1 }] })),
  subject('v1', 'Service', { spec: { ports: [{ port: 80, nodePort: 30125 }], type: 'LoadBalancer' } }, spec({ loadBalancerClass: 'x.y/z' }, { allocateLoadBalancerNodePorts: false })),
  subject('v1', 'Endpoints', { subsets: [{ addresses: [{ ip: '10.1.1.1' }], ports: [{ port: 80 }] }] }),
  subject('discovery.k8s.io/v1', 'EndpointSlice', { addressType: 'IPv4', endpoints: [{ addresses: ['10.1.1.1'] }], ports: [{ port: 80 }, { name: 'b' }] }, [{ addressType: 'IPv6' }, { endpoints: [] }]),
  subject('networking.k8s.io/v1', 'Ingress', { spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 's', port: { number: 80 } } } }] } }] } }, spec({ ingressClassName: 'x' }, { rules: [{ host: '*.x' }] })),
  subject('networking.k8s.io/v1', 'IngressClass', { spec: { controller: 'x.y/z' } }, spec({ controller: 'x.y/other' }, { parameters: { kind: 'K', name: 'n' } })),
  subject('networking.k8s.io/v1', 'NetworkPolicy', { spec: { podSelector: {} } }, spec({ policyTypes: ['x'] }, { egress: [{}] })),
  subject('networking.k8s.io/v1', 'NetworkPolicy', { spec: { podSelector: selector, egress: [{ ports: [{ port: 80 }] }] } }),
  subject('networking.k8s.io/v1', 'ServiceCIDR', { spec: { cidrs: ['10.99.0.0/24'] } }, spec({ cidrs: ['10.98.0.0/24'] })),
  subject('networking.k8s.io/v1', 'IPAddress', { spec: { parentRef: { resource: 'services', name: 'x', namespace: 'default' } } }, spec({ parentRef: { resource: 'services', name: 'y', namespace: 'default' } }), { name: '10.96.99.99' }),
];

const STORAGE: readonly Subject[] = [
  subject('v1', 'PersistentVolume', { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } } }, spec({ hostPath: { path: '/y' } }, { capacity: { storage: '2Gi' } }, { persistentVolumeReclaimPolicy: 'Delete' }, { volumeMode: 'Block' }, { storageClassName: 'x' })),
  subject('v1', 'PersistentVolume', { spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], iscsi: { targetPortal: 'x', iqn: 'iqn.2015-02.example.com:test', lun: 0 } } }),
  subject('v1', 'PersistentVolumeClaim', { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }, spec({ resources: { requests: { storage: '2Gi' } } }, { volumeName: 'x' }, { storageClassName: 'x' }, { accessModes: ['ReadOnlyMany'] }, { volumeMode: 'Block' })),
  subject('v1', 'PersistentVolumeClaim', { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1024Mi' } }, dataSource: { kind: 'PersistentVolumeClaim', name: 'x' } } }),
  subject('storage.k8s.io/v1', 'StorageClass', { provisioner: 'x.y/z' }, [{ provisioner: 'x.y/other' }, { parameters: { a: 'b' } }, { reclaimPolicy: 'Retain' }, { volumeBindingMode: 'WaitForFirstConsumer' }, { allowVolumeExpansion: true }, { mountOptions: ['x'] }]),
  subject('storage.k8s.io/v1', 'CSIDriver', { spec: {} }, spec({ attachRequired: false }, { podInfoOnMount: true }, { storageCapacity: true }, { volumeLifecycleModes: ['Ephemeral'] }, { fsGroupPolicy: 'None' }, { requiresRepublish: true })),
  subject('storage.k8s.io/v1', 'CSINode', { spec: { drivers: [{ name: 'x', nodeID: 'n' }] } }, spec({ drivers: [{ name: 'x', nodeID: 'm' }] }, { drivers: [] })),
  subject('storage.k8s.io/v1', 'CSIStorageCapacity', { storageClassName: 's' }, [{ storageClassName: 'x' }, { capacity: '1Gi' }, { nodeTopology: { matchLabels: { a: 'b' } } }]),
  subject('storage.k8s.io/v1', 'VolumeAttachment', { spec: { attacher: 'a', nodeName: 'n', source: { persistentVolumeName: 'p' } } }, spec({ attacher: 'b' }, { nodeName: 'm' })),
  subject('storage.k8s.io/v1', 'VolumeAttributesClass', { driverName: 'x', parameters: { a: 'b' } }, [{ driverName: 'y' }, { parameters: { a: 'c' } }]),
];

const OTHERS: readonly Subject[] = [
  subject('v1', 'Namespace', {}, [{ metadata: { labels: { 'kubernetes.io/metadata.name': 'x' } } }]),
  subject('v1', 'Node', {}, spec({ unschedulable: true }, { podCIDR: '10.1.0.0/24' }, { providerID: 'x' }, { taints: [{ key: 'a', effect: 'NoSchedule' }] }, { taints: [{ key: 'a', effect: 'x' }] })),
  subject('v1', 'ConfigMap', { data: { a: 'b' } }, [{ data: { a: 'c' } }, { immutable: true }, { binaryData: { a: 'Yg==' } }]),
  subject('v1', 'ConfigMap', { data: { a: 'b' }, immutable: true }, [{ data: { a: 'c' } }, { immutable: false }, { binaryData: { x: 'Yg==' } }]),
  subject('v1', 'Secret', { stringData: { a: 'b' } }, [{ type: 'x' }, { data: { a: 'Yg==' } }, { stringData: { c: 'd' } }]),
  subject('v1', 'Secret', { data: { a: 'Yg==' }, immutable: true, type: 'x.y/z' }, [{ data: { a: 'Yw==' } }, { immutable: false }]),
  subject('v1', 'ServiceAccount', {}, [{ automountServiceAccountToken: false }, { secrets: [{ name: 'x' }] }]),
  subject('v1', 'Event', { involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' } }, [{ count: 3 }]),
  subject('events.k8s.io/v1', 'Event', { regarding: { kind: 'Pod', name: 'p', namespace: 'default' }, eventTime: '2026-01-01T00:00:00.000000Z', reportingController: 'x', reportingInstance: 'x', action: 'x', reason: 'x', type: 'Normal' }),
  subject('v1', 'LimitRange', { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } }),
  subject('v1', 'LimitRange', { spec: { limits: [{ type: 'Container', default: { cpu: '1' }, min: { memory: '1Mi' } }, { type: 'Pod', max: { cpu: '1000m' } }] } }),
  subject('v1', 'ResourceQuota', { spec: { hard: { pods: '1' } } }, spec({ hard: { pods: '2' } }, { scopes: ['BestEffort'] }, { hard: { pods: '-1' } })),
  subject('autoscaling/v2', 'HorizontalPodAutoscaler', { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } }, spec({ minReplicas: 5 }, { maxReplicas: 0 })),
  subject('autoscaling/v2', 'HorizontalPodAutoscaler', { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: '1000m' } } }], behavior: { scaleDown: { policies: [{ type: 'Pods', value: 1, periodSeconds: 5 }] } } } }),
  subject('autoscaling/v1', 'HorizontalPodAutoscaler', { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } }, spec({ targetCPUUtilizationPercentage: 50 })),
  subject('policy/v1', 'PodDisruptionBudget', { spec: { minAvailable: 1, selector } }, spec({ minAvailable: 2 }, { selector: { matchLabels: { app: 'x' } } }, { maxUnavailable: 1 }, { minAvailable: '200%' })),
  subject('rbac.authorization.k8s.io/v1', 'Role', { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] }, [{ rules: [{ verbs: ['get'] }] }]),
  subject('rbac.authorization.k8s.io/v1', 'ClusterRole', { rules: [] }, [{ aggregationRule: { clusterRoleSelectors: [selector] } }]),
  subject('rbac.authorization.k8s.io/v1', 'RoleBinding', { roleRef: { kind: 'Role', name: 'r' }, subjects: [{ kind: 'User', name: 'u' }, { kind: 'ServiceAccount', name: 's', namespace: 'default' }] }, [{ roleRef: { kind: 'Role', name: 'x', apiGroup: 'rbac.authorization.k8s.io' } }, { subjects: [] }]),
  subject('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', { roleRef: { kind: 'ClusterRole', name: 'r', apiGroup: 'rbac.authorization.k8s.io' }, subjects: [{ kind: 'Group', name: 'g' }] }, [{ roleRef: { kind: 'ClusterRole', name: 'x', apiGroup: 'rbac.authorization.k8s.io' } }]),
  subject('coordination.k8s.io/v1', 'Lease', { spec: { holderIdentity: 'x' } }, spec({ leaseDurationSeconds: 3 }, { leaseDurationSeconds: -1 })),
  subject('scheduling.k8s.io/v1', 'PriorityClass', { value: 7 }, [{ value: 8 }, { preemptionPolicy: 'Never' }, { description: 'x' }, { globalDefault: true }]),
  subject('node.k8s.io/v1', 'RuntimeClass', { handler: 'x' }, [{ handler: 'y' }, { overhead: { podFixed: { cpu: '1' } } }]),
  subject('certificates.k8s.io/v1', 'CertificateSigningRequest', { spec: { request: 'REQUEST', signerName: 'x.y/z', usages: ['client auth'] } }, spec({ usages: ['server auth'] }, { signerName: 'x.y/other' })),
];

export const SUBJECTS: readonly Subject[] = [...PODS, ...WORKLOADS, ...NETWORK, ...STORAGE, ...OTHERS];
