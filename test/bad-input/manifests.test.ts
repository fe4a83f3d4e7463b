/** Manifests that no server needs to see: what is wrong with them is told with file, line and column. */
import { expect, test } from 'vitest';
import { parseManifests } from '../../src/cli/manifests.ts';
import { ChannelApiClient } from '../../src/client/channel-api-client.ts';
import { unimplemented } from '../../src/proto/rpc.ts';
import { openTerminal } from '../cli/terminal.ts';

const meta = (metadata: string) => `apiVersion: v1\nkind: ConfigMap\nmetadata: ${metadata}\n`;

test.each([
  ['a tab', 'apiVersion: v1\nmetadata:\n  name: a\n\tlabels: {}\n', 'error: m.yaml:4:1: Tabs are not allowed as indentation'],
  ['an open brace', 'apiVersion: v1\nmetadata: {name: a\ndata: {}\n', 'error: m.yaml:3:1: Flow map in block collection must be sufficiently indented and end with a }'],
  ['a key twice', 'metadata:\n  name: a\n  name: b\n', 'error: m.yaml:3:3: Map keys must be unique'],
  ['JSON with a comma too many', '{"apiVersion":"v1",\n "kind":"ConfigMap",,}', 'error: m.yaml:2:21: Unexpected , in flow map'],
  ['a text', 'hello', 'error: m.yaml:1:1: an object must be a mapping with apiVersion, kind and metadata'],
  ['a list', '- a\n', 'error: m.yaml:1:1: an object must be a mapping with apiVersion, kind and metadata'],
  ['bytes', '\u0000\u0001\ufffd', 'error: m.yaml:1:1: an object must be a mapping with apiVersion, kind and metadata'],
  ['no kind', 'apiVersion: v1\nmetadata: {name: a}\n', "error: m.yaml:1:1: Object 'Kind' is missing"],
  ['no version', 'kind: Pod\nmetadata: {name: a}\n', "error: m.yaml:1:1: Object 'apiVersion' is missing"],
  ['an unknown kind, in the second document', `${meta('{name: a}')}---\napiVersion: v1\nkind: Gadget\n`, 'error: m.yaml:5:1: no matches for kind "Gadget" in version "v1"'],
  ['a kind misspelt', 'apiVersion: apps/v1\nkind: Deplyment\n', 'error: m.yaml:1:1: no matches for kind "Deplyment" in version "apps/v1": did you mean Deployment?'],
  ['an old version', 'apiVersion: apps/v1beta1\nkind: Deployment\n', 'error: m.yaml:1:1: no matches for kind "Deployment" in version "apps/v1beta1": its version is apps/v1'],
  ['no name', meta('{}'), 'error: m.yaml:1:1: ConfigMap: resource name may not be empty: metadata.name is missing'],
  ['metadata that is a text', meta('hello'), 'error: m.yaml:1:1: ConfigMap: resource name may not be empty: metadata.name is missing'],
  ['a name that is a number', meta('{name: 12}'), 'error: m.yaml:1:1: ConfigMap: metadata.name must be a string, not 12: quote it: name: "12"'],
  ['a name that is a list', meta('{name: [a]}'), 'error: m.yaml:1:1: ConfigMap: metadata.name must be a string, not ["a"]'],
  ['a namespace that is a truth', meta('{name: a, namespace: true}'), 'error: m.yaml:1:1: ConfigMap: metadata.namespace must be a string, not true: quote it: namespace: "true"'],
  [
    'aliases that explode',
    `${meta('{name: a}')}data: {a: &a [x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c], e: &e [*d,*d,*d,*d,*d,*d,*d], f: [*e,*e,*e,*e,*e,*e,*e]}\n`,
    'error: m.yaml:1:1: it names parts of itself too often',
  ],
])('%s', (_what, text, message) => {
  expect(() => parseManifests(text, 'm.yaml')).toThrow(message);
});

test('a document that is malformed keeps all of its file back; nothing is half done', async () => {
  const { run, store } = await openTerminal();
  const before = store.revision;
  expect(await run('apply -f -', `${meta('{name: a}')}---\nkind: [\n`)).toMatch(/^exit 1\nerror: STDIN:\d+:\d+: /);
  expect(await run('apply -f -', '')).toBe('exit 1\nerror: no objects passed\n');
  expect(store.revision).toBe(before);
});

test('an object past the limit of a request is refused before it is sent', async () => {
  let calls = 0;
  const refuse = () => {
    calls++;
    throw unimplemented('nothing');
  };
  const client = new ChannelApiClient({ channel: { unary: refuse, serverStream: refuse, clientStream: refuse, bidi: refuse, close() {} } });
  const big = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'big' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } };
  const ref = { group: '', version: 'v1', resource: 'configmaps', namespace: 'default' };
  const message = /^Request entity too large: limit is 3145728, the object has 31458\d\d bytes$/;
  const refused = { reason: 'RequestEntityTooLarge', code: 413, message: expect.stringMatching(message) as string };
  await expect(client.create(ref, big)).rejects.toMatchObject(refused);
  await expect(client.update(ref, big)).rejects.toMatchObject(refused);
  await expect(client.patch(ref, 'big', { type: 'merge', patch: big })).rejects.toMatchObject({ reason: 'RequestEntityTooLarge' });
  expect(calls).toBe(0);
});
