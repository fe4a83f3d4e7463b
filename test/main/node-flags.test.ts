import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensurePki, tlsFiles } from '../../src/base/pki.ts';
import { nodeConfig } from '../../src/main/node-flags.ts';

const ENDPOINT = 'unix:///run/containerd/containerd.sock';
let directory: string;

beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'podium-node-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const nodeDir = () => ['--node-dir', join(directory, 'w1'), '--name', 'w1'];

/** As `podium up` leaves it. */
async function dataDir(): Promise<string> {
  const path = join(directory, 'data');
  mkdirSync(join(path, 'parts'), { recursive: true });
  writeFileSync(join(path, 'cluster.json'), '{}');
  await ensurePki(join(path, 'pki'), [{ name: 'scheduler', commonName: 's' }], new Date());
  const scheduler = { name: 'scheduler', clusterName: 'c', clusterId: 'id', dataDir: '/elsewhere', listenAddress: '127.0.0.1:10359', tls: tlsFiles(join(path, 'pki'), 'scheduler'), storeAddresses: [], apiServerAddresses: ['127.0.0.1:6544'], portBase: 100, serviceCidr: '10.96.0.0/16', timings: {}, onContainerFailure: 'restart' };
  writeFileSync(join(path, 'parts', 'scheduler.json'), JSON.stringify(scheduler));
  return path;
}

async function kubeconfig(): Promise<string> {
  const pki = join(directory, 'pki');
  await ensurePki(pki, [{ name: 'admin', commonName: 'admin' }], new Date());
  const data = (name: string) => readFileSync(join(pki, name)).toString('base64');
  const path = join(directory, 'kubeconfig');
  const config = {
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:7443', 'certificate-authority-data': data('ca.crt') } }],
    users: [{ name: 'u', user: { 'client-certificate-data': data('admin.crt'), 'client-key-data': data('admin.key') } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

describe('nodeConfig()', () => {
  test('joins a cluster of this machine with a certificate of its own', async () => {
    const path = await dataDir();
    const config = await nodeConfig(['--data-dir', path, ...nodeDir(), '--container-runtime-endpoint', ENDPOINT, '--cpu', '2', '--label', 'disk=fast']);
    expect(config).toMatchObject({ name: 'w1', clusterId: 'id', apiServerAddresses: ['127.0.0.1:6544'], portBase: 100, listenAddress: '127.0.0.1:10260' });
    expect(config.node).toMatchObject({ runtime: 'cri', runtimeEndpoint: ENDPOINT, cpu: '2', pods: 110, labels: { disk: 'fast' } });
    expect(config.tls).toEqual(tlsFiles(join(path, 'pki'), 'node-w1'));
    expect(config).not.toHaveProperty('rest');
  });

  test('joins any cluster by a kubeconfig, at the port above that of Kubernetes', async () => {
    const config = await nodeConfig(['--kubeconfig', await kubeconfig(), ...nodeDir(), '--container-runtime-endpoint', ENDPOINT]);
    expect(config.apiServerAddresses).toEqual(['127.0.0.1:7444']);
    expect(readFileSync(config.tls!.caFile, 'utf8')).toContain('BEGIN CERTIFICATE');
  });

  test.each([
    [['--container-runtime-endpoint', '/run/x.sock'], /it is a Unix socket, such as unix:/],
    [['--container-runtime-endpoint', 'tcp://1.2.3.4:5'], /it is a Unix socket/],
    [[], /needs --container-runtime-endpoint/],
    [['--endpoint', ENDPOINT], /Unknown option '--endpoint'.*podium node --help/s],
    [['--container-runtime-endpoint', ENDPOINT, '--name', 'W_1'], /--name W_1: it is lower-case letters/],
    [['--container-runtime-endpoint', ENDPOINT, '--name', 'w1', '--port', '0'], /--port 0: it is a whole number/],
    [['--container-runtime-endpoint', ENDPOINT, '--name', 'w1', '--address', 'here'], /--address here: it is an IP address/],
    [['--container-runtime-endpoint', ENDPOINT, '--name', 'w1', '--label', 'x'], /--label x: it is KEY=VALUE/],
    [['--container-runtime-endpoint', ENDPOINT, '--name', 'w1', '--data-dir', '/nowhere'], /no cluster in \/nowhere: start one with `podium up`/],
    [['--config', '/nowhere.json'], /the configuration \/nowhere.json cannot be read/],
  ])('refuses %j, and says what would be right', async (flags, expected) => {
    const own = flags.includes('w1') && !flags.includes('--data-dir') ? ['--data-dir', await dataDir()] : [];
    await expect(nodeConfig([...flags, ...own, '--node-dir', join(directory, 'w')])).rejects.toThrow(expected);
  });

  test('refuses a certificate that API servers would not take for its address', async () => {
    const flags = ['--kubeconfig', await kubeconfig(), ...nodeDir(), '--container-runtime-endpoint', ENDPOINT, '--address', '192.0.2.7'];
    await expect(nodeConfig(flags)).rejects.toThrow(/its certificate is not for 192.0.2.7/);
  });
});
