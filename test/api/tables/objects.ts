/** Objects whose rows say more than those of bare ones: beside test/api/defaults/objects.ts. */
import type { Manifest } from '../defaults/objects.ts';

const hpa = (metrics?: readonly object[]): Manifest => ({ apiVersion: 'autoscaling/v2', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' }, ...(metrics === undefined ? {} : { metrics }) } });
const metric = { name: 'q' };
export const OBJECTS: readonly Manifest[] = [
  hpa([{ type: 'External', external: { metric, target: { type: 'AverageValue', averageValue: '10' } } }]),
  hpa([{ type: 'External', external: { metric, target: { type: 'Value', value: '10' } } }]),
  hpa([{ type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '10' } } }]),
  hpa([{ type: 'Object', object: { metric, describedObject: { kind: 'Service', name: 's' }, target: { type: 'AverageValue', averageValue: '10' } } }]),
  hpa([{ type: 'Object', object: { metric, describedObject: { kind: 'Service', name: 's' }, target: { type: 'Value', value: '10' } } }]),
  hpa([{ type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target: { type: 'Utilization', averageUtilization: 10 } } }]),
  hpa([{ type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '1Gi' } } }]),
  hpa([1,2,3].map((n) => ({ type: 'Resource', resource: { name: 'cpu', target: { type: 'AverageValue', averageValue: String(n) } } }))),
  hpa(),
  { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', metadata: { name: 'h' }, spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } } },
  { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' }, source: { component: 'c', host: 'h' }, count: 3, type: 'Normal', reason: 'R', message: 'm\nn', firstTimestamp: '2020-01-01T00:00:00Z', lastTimestamp: '2020-01-01T00:00:00Z' },
  { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e' }, involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' }, reportingComponent: 'c', reportingInstance: 'i', action: 'a', eventTime: '2020-01-01T00:00:00.000000Z', type: 'Normal', reason: 'R', message: 'm' },
  { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { readinessGates: [{ conditionType: 'a/b' }], containers: [{ name: 'a', image: 'x' }], initContainers: [{ name: 's', image: 'x', restartPolicy: 'Always' }, { name: 'i', image: 'x' }] } },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: 'p' }, spec: { maxUnavailable: '20%' } },
  { apiVersion: 'v1', kind: 'Service', metadata: { name: 's1' }, spec: { ports: [{ port: 80 }], externalIPs: ['1.2.3.4'], clusterIP: 'None' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's1' } }, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 's1' } },
  { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 's1' }, spec: { hard: { pods: '1', 'limits.cpu': '2', 'requests.memory': '1Gi' } } },
  { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 's1' }, spec: { accessModes: ['ReadWriteOnce', 'ReadOnlyMany'], storageClassName: 'x', resources: { requests: { storage: '1Gi' } } } },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'i1' }, spec: { ingressClassName: 'c', tls: [{ hosts: ['a'] }], rules: [{ host: 'a' }, { host: 'b' }, { host: 'c' }, { host: 'd' }, {}] } },
  { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 'i1' }, addressType: 'IPv4', endpoints: ['10.1.1.1','10.1.1.2','10.1.1.3','10.1.1.4'].map((a) => ({ addresses: [a] })), ports: [80,81,82,83].map((port) => ({ port, name: 'p' + port })) },
  { apiVersion: 'batch/v1', kind: 'CronJob', metadata: { name: 'i1' }, spec: { suspend: true, timeZone: 'Europe/Berlin', schedule: '@daily', jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'x' }, { name: 'b', image: 'y' }] } } } } } },
  { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: 'i1' }, spec: { controller: 'x.y/z', parameters: { apiGroup: 'g', kind: 'K', name: 'n' } } },
  { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: 's1' }, provisioner: 'p', allowVolumeExpansion: true },
  { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: 's1' }, spec: { attachRequired: false, podInfoOnMount: true, tokenRequests: [{ audience: 'a' }, { audience: 'b', expirationSeconds: 3600 }], requiresRepublish: true, volumeLifecycleModes: ['Ephemeral', 'Persistent'] } },
];
