/** What the loads create: a pod as a ReplicaSet's controller would, and a small object that many watch. */

const labels = { app: 'web', 'app.kubernetes.io/part-of': 'shop', 'pod-template-hash': '7d4b9c6f5d' };

/** Its name is the server's to choose, so that one body serves thousands. */
export const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'web-7d4b9c6f5d-',
    labels,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-7d4b9c6f5d', uid: '5b2c5f0a-1f0e-4d52-9f5e-0a6d7f1c2b3d', controller: true, blockOwnerDeletion: true }],
  },
  spec: {
    containers: [
      {
        name: 'web',
        image: 'registry.example/shop/web:1.4.2',
        ports: [{ name: 'http', containerPort: 8080 }],
        env: [
          { name: 'LOG_LEVEL', value: 'info' },
          { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        ],
        resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
        readinessProbe: { httpGet: { path: '/healthz', port: 8080 } },
        volumeMounts: [{ name: 'config', mountPath: '/etc/web', readOnly: true }],
      },
    ],
    volumes: [{ name: 'config', configMap: { name: 'web' } }],
  },
};

/** Where the digits of the time stand that a change was sent at, in microseconds of the machine's monotonic clock. */
export const AT = '"at":"';
export const AT_DIGITS = 16;

export function atNow(): string {
  return String(monotonicMicros()).padStart(AT_DIGITS, '0');
}

/** The same in all processes of the machine. */
export function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

export function watchedObject(name: string): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { at: atNow(), mode: 'bench' } };
}
