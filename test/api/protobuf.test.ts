/** Bodies as kubectl v0.34.3 sent them, recorded. */
import { expect, test } from 'vitest';
import { decodeProtobuf } from '../../src/api/protobuf.ts';

const read = (base64: string) => decodeProtobuf(Buffer.from(base64, 'base64'));

const DEPLOYMENT =
  'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErcBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoUBCAASDAoKCgNhcHASA3dlYhprChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEksSLQoDd2ViEgV3ZWI6MSoAMgsKABAAGJA/IgAqAEIAagByAIABAIgBAJABAKIBABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA==';
const CONFIG_MAP = 'azhzAAoPCgJ2MRIJQ29uZmlnTWFwEicKEgoCY20SABoAIgAqADIAOABCABIGCgFhEgExEgkKBWVtcHR5EgAaACIA';
const SECRET = 'azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAXASAXEaABoAIgA=';
const SERVICE =
  'azhzAAoNCgJ2MRIHU2VydmljZRJnChsKAW4SABoAIgAqADIAOABCAFoICgNhcHASAW4SRAogCgc4MC1odHRwEgNUQ1AYUCIKCAEQABoEaHR0cCiA6wESCAoDYXBwEgFuGgAiCE5vZGVQb3J0OgBCAFIAWgBgAGgAGgIKABoAIgA=';
const TOKEN = 'azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIdChAKABIAGgAiACoAMgA4AEIAEgMgkBwaBAoAEgAaACIA';
const INGRESS =
  'azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxI+ChEKAWkSABoAIgAqADIAOABCABIlGiMKAWESHgocChoKAi9iEg0iCwoDc3ZjEgQKABBQGgVFeGFjdBoCCgAaACIA';

test('what Go cannot tell from absent is left out; a pointer to zero is kept', () => {
  expect(read(DEPLOYMENT)).toEqual({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'web:1', ports: [{ containerPort: 8080 }], resources: {} }] },
      },
      strategy: {},
    },
    status: {},
  });
});

test('maps keep empty values, bytes become base64', () => {
  expect(read(CONFIG_MAP)).toEqual({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { a: '1', empty: '' } });
  expect(read(SECRET)).toMatchObject({ kind: 'Secret', data: { p: 'cQ==' } });
});

test('a number or a text, lists, fields that are their parent`s in JSON', () => {
  expect(read(SERVICE)).toMatchObject({ spec: { type: 'NodePort', ports: [{ name: '80-http', port: 80, targetPort: 'http', protocol: 'TCP', nodePort: 30080 }] } });
  expect(read(INGRESS)).toMatchObject({
    apiVersion: 'networking.k8s.io/v1',
    spec: { rules: [{ host: 'a', http: { paths: [{ path: '/b', pathType: 'Exact', backend: { service: { name: 'svc', port: { number: 80 } } } }] } }] },
  });
  expect(read(TOKEN)).toMatchObject({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } });
});

test('what cannot be read is refused as BadRequest', () => {
  const bytes = Buffer.from(DEPLOYMENT, 'base64');
  expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow('is not Kubernetes protobuf');
  expect(() => decodeProtobuf(bytes.subarray(0, bytes.length - 9))).toThrow('cannot be read');
  const other = Buffer.from(bytes);
  other.write('Xeployment', other.indexOf('Deployment'));
  expect(() => decodeProtobuf(other)).toThrow('no kind "Xeployment" is registered for version "apps/v1"');
});

test('damage anywhere is refused or read, and never anything else', () => {
  for (const text of [DEPLOYMENT, SERVICE, INGRESS, TOKEN]) {
    const whole = Buffer.from(text, 'base64');
    for (let at = 0; at < whole.length * 8; at++) {
      const damaged = Buffer.from(whole);
      damaged[at >> 3]! ^= 1 << (at & 7);
      try {
        expect(decodeProtobuf(damaged)).toHaveProperty('kind');
      } catch (error) {
        expect(error).toHaveProperty('reason', 'BadRequest');
      }
    }
  }
});
