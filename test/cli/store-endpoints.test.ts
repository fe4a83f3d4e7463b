import { expect, test } from 'vitest';
import { withEtcdctlVariables } from '../../src/cli/store-endpoints.ts';

const set = { ETCDCTL_ENDPOINTS: 'https://a:1', ETCDCTL_CACERT: 'ca', ETCDCTL_CERT: 'c', ETCDCTL_KEY: 'k', PODIUM_DATA_DIR: 'd' };
const all = { endpoints: 'https://a:1', cacert: 'ca', cert: 'c', key: 'k', dataDir: 'd' };

test.each([
  ['what is not given is taken from them', {}, set, all],
  ['a flag goes before', { endpoints: 'b:2', cacert: 'mine' }, set, { ...all, endpoints: 'b:2', cacert: 'mine' }],
  ['a data directory means that cluster', { dataDir: 'x' }, set, { dataDir: 'x' }],
  ['none is set', {}, {}, {}],
])('withEtcdctlVariables() %s', (_, flags, env, expected) => {
  expect(withEtcdctlVariables(flags, env)).toEqual(expected);
});
