/** The variables by which programs find services: their names and values as Kubernetes documents them. */
import { describe, expect, test } from 'vitest';
import type { Service } from '../../../src/client/objects.ts';
import { serviceEnvironment } from '../../../src/agent/core/service-environment.ts';

describe('serviceEnvironment()', () => {
  const service = (namespace: string, name: string, clusterIP: string, ports: readonly object[] = [{ port: 80 }]) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { clusterIP, ports } }) as Service;
  const kubernetes = service('default', 'kubernetes', '10.96.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }]);
  const all = [kubernetes, service('ns', 'my-db', '10.96.0.9', [{ name: 'sql', port: 5432 }, { name: 'stats', port: 53, protocol: 'UDP' }]), service('other', 'far', '10.96.0.8'), service('ns', 'headless', 'None')];

  test('the API server always, the own namespace where it is linked', () => {
    const api = {
      KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443', KUBERNETES_SERVICE_PORT_HTTPS: '443', KUBERNETES_PORT: 'tcp://10.96.0.1:443',
      KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443', KUBERNETES_PORT_443_TCP_PROTO: 'tcp', KUBERNETES_PORT_443_TCP_PORT: '443', KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    };
    expect(serviceEnvironment({ services: all, namespace: 'ns', enableServiceLinks: false })).toEqual(api);
    const linked = serviceEnvironment({ services: all, namespace: 'ns', enableServiceLinks: true });
    expect(linked).toMatchObject({ ...api, MY_DB_SERVICE_HOST: '10.96.0.9', MY_DB_SERVICE_PORT: '5432', MY_DB_SERVICE_PORT_STATS: '53', MY_DB_PORT: 'tcp://10.96.0.9:5432', MY_DB_PORT_53_UDP: 'udp://10.96.0.9:53' });
    expect(Object.keys(linked).filter((name) => /^(FAR|HEADLESS)/.test(name))).toEqual([]);
  });
});
