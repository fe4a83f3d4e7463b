/**
 * What lets people and pods into the API server besides certificates: the administrator's token, the key that signs
 * tokens of service accounts, and the kubeconfig that kubectl and the client libraries read. All of it is made once, and
 * for its owner's eyes only.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tlsFiles } from '../base/pki.ts';
import { adminTokenFile, pkiDir, serviceAccountKeyFile, tokensFile, writeJson } from './data-dir.ts';
import { ADMIN } from './parts.ts';

const TOKEN_BYTES = 32;

/** Sees to it that they exist; what is there is kept. */
export function ensureCredentials(dataDir: string): void {
  mkdirSync(pkiDir(dataDir), { recursive: true, mode: 0o700 });
  keep(serviceAccountKeyFile(dataDir), () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  });
  keep(adminTokenFile(dataDir), () => `${randomBytes(TOKEN_BYTES).toString('base64url')}\n`);
  const token = readFileSync(adminTokenFile(dataDir), 'utf8').trim();
  write(tokensFile(dataDir), `${token},${ADMIN.commonName},,"${ADMIN.organization ?? ''}"\n`);
}

/**
 * With everything in it, so that it can be handed on as one file. The current context is that of the first API server;
 * each further one has its own, `podium-2` and so on, for when the first is dead: kubectl tries no second address.
 */
export function writeKubeconfig(dataDir: string, restPorts: readonly number[]): void {
  const { caFile, certFile, keyFile } = tlsFiles(pkiDir(dataDir), ADMIN.name);
  const data = (path: string) => readFileSync(path).toString('base64');
  const servers = restPorts.map((port, index) => ({ name: index === 0 ? 'podium' : `podium-${index + 1}`, server: `https://127.0.0.1:${port}` }));
  const authority = { 'certificate-authority-data': data(caFile) };
  // JSON is YAML.
  writeJson(join(dataDir, 'kubeconfig'), {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: servers.map(({ name, server }) => ({ name, cluster: { server, ...authority } })),
    users: [{ name: 'podium-admin', user: { 'client-certificate-data': data(certFile), 'client-key-data': data(keyFile) } }],
    contexts: servers.map(({ name }) => ({ name, context: { cluster: name, user: 'podium-admin', namespace: 'default' } })),
    'current-context': 'podium',
  });
}

function keep(path: string, make: () => string): void {
  if (existsSync(path)) chmodSync(path, 0o600);
  else write(path, make());
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
