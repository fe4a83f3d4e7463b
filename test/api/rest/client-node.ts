/** How the JavaScript client of Kubernetes reaches a server of a test. */
import * as k8s from '@kubernetes/client-node';
import type { RestFixture } from './fixture.ts';

export function configOf({ port, certificates }: RestFixture): k8s.KubeConfig {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const config = new k8s.KubeConfig();
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `https://127.0.0.1:${port}`, caData: base64(certificates.ca) }],
    users: [{ name: 'u', certData: base64(certificates.admin.cert), keyData: base64(certificates.admin.key) }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  });
  return config;
}
