import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { apiServerHelp, parseApiServerFlags } from '../../src/api/flags.ts';

const folder = mkdtempSync(join(tmpdir(), 'podium-flags-'));
const file = join(folder, 'pem');
writeFileSync(file, 'x');
afterAll(() => rmSync(folder, { recursive: true }));

const needed = [`--tls-cert-file=${file}`, `--tls-private-key-file=${file}`, `--client-ca-file=${file}`];

const refused = (...argv: string[]) => {
  try {
    parseApiServerFlags(argv);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return '';
};

test('parseApiServerFlags() fills in what is not said', () => {
  expect(parseApiServerFlags([...needed, '--etcd-servers=http://127.0.0.1:2379,http://127.0.0.1:12379'])).toMatchObject({
    name: 'apiserver',
    store: { addresses: ['127.0.0.1:2379', '127.0.0.1:12379'], tls: undefined },
    grpc: { address: '127.0.0.1:6444' },
    rest: { address: '127.0.0.1:6443', clientCaFile: file },
    access: { tokenFile: undefined, serviceAccounts: undefined },
    config: { serviceCidr: '10.96.0.0/16', nodePortRange: { from: 30_000, to: 32_767 }, evictionTolerationSeconds: 300 },
    auditLogPath: undefined,
    shutdownDelayMs: 0,
  });
  const more = parseApiServerFlags([
    ...needed, '--etcd-servers=https://[::1]:1', `--etcd-cafile=${file}`, `--etcd-certfile=${file}`, `--etcd-keyfile=${file}`, '--bind-address=::1', '--grpc-port=0', '--secure-port=7443',
    `--service-account-key-file=${file}`, `--service-account-key-file=${file}`, '--api-audiences=a,b', '--shutdown-delay-duration=3',
  ]);
  expect(more).toMatchObject({ grpc: undefined, rest: { address: '[::1]:7443' }, store: { addresses: ['[::1]:1'], tls: { caFile: file } }, shutdownDelayMs: 3_000 });
  expect(more.access.serviceAccounts).toEqual({ issuer: 'https://kubernetes.default.svc.cluster.local', audiences: ['a', 'b'], keyFiles: [file, file], signingKeyFile: undefined });
});

test('all problems are told at once, and a flag that was mistyped is named', () => {
  const problems = refused('--secure-port=0', '--etcd-servers=127.0.0.1:2379', `--client-ca-file=${folder}/none`).split('\n');
  expect(problems).toEqual([
    'podium apiserver: --tls-cert-file is required: the certificate of both ports',
    'podium apiserver: --tls-private-key-file is required: its key',
    `podium apiserver: --client-ca-file ${folder}/none: cannot be read (ENOENT)`,
    'podium apiserver: --etcd-servers 127.0.0.1:2379: must be such as https://127.0.0.1:2379',
    'podium apiserver: --secure-port 0: must be a whole number from 1 to 65535',
  ]);
  expect(refused('--etcd-server=x')).toBe('podium apiserver: there is no flag --etcd-server: did you mean --etcd-servers?');
  expect(refused(...needed, '--etcd-servers=http://a:1', '--service-node-port-range=9-1')).toContain('must be two ports such as 30000-32767');
});

test('what is advertised is where it listens, unless it is said', () => {
  const advertised = (...flags: string[]) => parseApiServerFlags([...needed, '--etcd-servers=http://127.0.0.1:2379', ...flags]).advertised;
  expect(advertised()).toEqual({ address: '127.0.0.1', port: 6443 });
  expect(advertised('--secure-port=7443', '--advertise-address=10.1.2.3')).toEqual({ address: '10.1.2.3', port: 7443 });
  // Of all addresses one; which, is the machine's.
  expect(advertised('--bind-address=0.0.0.0')).toMatchObject({ address: expect.stringMatching(/^(?!0\.)[\d.]+$/), port: 6443 });
  expect(advertised('--bind-address=::1')).toBeUndefined();
  expect(refused(...needed, '--etcd-servers=http://127.0.0.1:2379', '--advertise-address=here')).toContain('--advertise-address here: must be a valid IP address');
});

test('the help names every flag', () => {
  for (const flag of ['etcd-servers', 'secure-port', 'token-auth-file', 'audit-log-path', 'service-account-issuer']) expect(apiServerHelp()).toContain(`--${flag} <`);
});
