import { expect, test } from 'vitest';
import { serviceEnvironment } from '../../../src/agent/core/service-environment.ts';
import { service } from '../nftables/objects.ts';

const kubernetes = { ...service('kubernetes', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] }), metadata: { name: 'kubernetes', namespace: 'default' } };
const db = service('my-db', { clusterIP: '10.96.0.7', ports: [{ name: 'sql-rw', port: 5432 }, { port: 53, protocol: 'UDP' }] });
const services = [
  kubernetes,
  db,
  service('headless', { clusterIP: 'None' }),
  service('alias', { type: 'ExternalName', externalName: 'example.com' }),
  { ...service('other', { clusterIP: '10.96.0.9' }), metadata: { name: 'other', namespace: 'elsewhere' } },
];

test('serviceEnvironment() names the services of the namespace that have an address, and the API server', () => {
  expect(serviceEnvironment({ services, namespace: 'ns', enableServiceLinks: true })).toEqual({
    KUBERNETES_SERVICE_HOST: '10.96.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    MY_DB_SERVICE_HOST: '10.96.0.7',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_SERVICE_PORT_SQL_RW: '5432',
    MY_DB_PORT: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
    MY_DB_PORT_53_UDP: 'udp://10.96.0.7:53',
    MY_DB_PORT_53_UDP_PROTO: 'udp',
    MY_DB_PORT_53_UDP_PORT: '53',
    MY_DB_PORT_53_UDP_ADDR: '10.96.0.7',
  });
});

test('serviceEnvironment() names the API server alone where links are not wanted; a Service of that name goes first', () => {
  const named = (env: Record<string, string>) => Object.keys(env).filter((name) => name.endsWith('_SERVICE_HOST'));
  expect(named(serviceEnvironment({ services, namespace: 'ns', enableServiceLinks: false }))).toEqual(['KUBERNETES_SERVICE_HOST']);
  const own = service('kubernetes', { clusterIP: '10.96.0.99' });
  expect(serviceEnvironment({ services: [own, ...services], namespace: 'ns', enableServiceLinks: true })['KUBERNETES_SERVICE_HOST']).toBe('10.96.0.99');
});
