/** Each kind of bad input is refused with an error that says precisely what is wrong, and changes nothing. */
import { expect, test } from 'vitest';
import { configMap, deployment, pod, ref, refusal, service, startServer } from './fixture.ts';

const { api, store } = await startServer();

test.each([
  ['unknown kind', () => api.create(ref('gadgets', 'x'), {}), '404 NotFound: the server could not find the requested resource'],
  ['a kind in the wrong place', () => api.create(ref('pods'), configMap('x')), '400 BadRequest: the object provided is unrecognized (must be of type Pod in v1, not v1, Kind=ConfigMap)'],
  ['nothing at all', () => api.create(ref('pods'), {}), '422 Invalid: Pod "" is invalid: [metadata.name: Required value: name or generateName is required, spec.containers: Required value]'],
  ['not an object', () => api.create(ref('pods'), ['x']), '400 BadRequest: the body of the request is not an object'],
  [
    'unknown fields',
    () => api.create(ref('deployments'), deployment('x', { replica: 2, template: { spec: { containers: [{ name: 'a', image: 'b', imagee: 'c' }] } } })),
    '400 BadRequest: Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: ' +
      'unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.replica"',
  ],
  [
    'a wrong type',
    () => api.create(ref('deployments'), deployment('x', { replicas: 'three' })),
    '400 BadRequest: Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    'a number that does not fit',
    () => api.create(ref('deployments'), deployment('x', { replicas: 2 ** 40 })),
    '400 BadRequest: Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal number 1099511627776 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    'a wrong type in a list',
    () => api.create(ref('pods'), pod('x', { containers: [{ name: 'a', image: 'b', ports: [{ containerPort: 'http' }] }] })),
    '400 BadRequest: Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    'a quantity that is none',
    () => api.create(ref('pods'), pod('x', { containers: [{ name: 'a', image: 'b', resources: { limits: { cpu: 'much' } } }] })),
    "400 BadRequest: Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
  ],
  [
    'a selector that does not match its template',
    () => api.create(ref('deployments'), deployment('x', { selector: { matchLabels: { app: 'y' } } })),
    '422 Invalid: Deployment.apps "x" is invalid: spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`',
  ],
  ['no selector', () => api.create(ref('deployments'), deployment('x', { selector: undefined })), '422 Invalid: Deployment.apps "x" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`]'],
  [
    'no containers and no name of one',
    () => api.create(ref('pods'), pod('x', { containers: [{ image: 'b' }] })),
    '422 Invalid: Pod "x" is invalid: spec.containers[0].name: Required value',
  ],
  ['no image', () => api.create(ref('pods'), pod('x', { containers: [{ name: 'a' }] })), '422 Invalid: Pod "x" is invalid: spec.containers[0].image: Required value'],
  ['no name', () => api.create(ref('pods'), pod('')), '422 Invalid: Pod "" is invalid: metadata.name: Required value: name or generateName is required'],
  ['a missing namespace', () => api.create(ref('pods', '', 'nowhere'), pod('x')), '404 NotFound: namespaces "nowhere" not found'],
  ['no namespace', () => api.create(ref('pods', '', ''), pod('x')), '400 BadRequest: an empty namespace may not be set during creation'],
  [
    'two namespaces',
    () => api.create(ref('pods', '', 'default'), pod('x', {}, { namespace: 'other' })),
    '400 BadRequest: the namespace of the provided object does not match the namespace sent on the request',
  ],
  ['a resourceVersion on create', () => api.create(ref('pods'), pod('x', {}, { resourceVersion: '7' })), '400 BadRequest: resourceVersion should not be set on objects to be created'],
  ['a missing object', () => api.get(ref('deployments', 'ghost')), '404 NotFound: deployments.apps "ghost" not found'],
  ['a name that is a path', () => api.get(ref('pods', '../kube-system/x')), `400 BadRequest: invalid name "../kube-system/x": may not be '.', '..' or contain '/' or '%'`],
  ['a bad label selector', () => api.list(ref('pods'), { labelSelector: 'a in b' }), "400 BadRequest: unable to parse requirement: found 'b' expected: '('"],
  [
    'an unknown field selector',
    () => api.list(ref('configmaps'), { fieldSelector: 'data.a=1' }),
    '400 BadRequest: "data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  ['a bad continue token', () => api.list(ref('pods'), { continue: 'x', limit: 1 }), '400 BadRequest: invalid continue token: continue key is not valid: '],
  ['a service without ports', () => api.create(ref('services'), service('x', { ports: [] })), '422 Invalid: Service "x" is invalid: spec.ports: Required value'],
  ['a duplicate container', () => api.create(ref('pods'), pod('x', { containers: [{ name: 'a', image: 'b' }, { name: 'a', image: 'b' }] })), '422 Invalid: Pod "x" is invalid: spec.containers[1].name: Duplicate value: "a"'],
  ['deleting the default namespace', () => api.delete(ref('namespaces', 'default')), '403 Forbidden: namespaces "default" is forbidden: this namespace may not be deleted'],
])('refuses %s', async (_what, run, message) => {
  const before = store.revision;
  const answer = await refusal((async () => run())());
  expect(answer.startsWith(message) ? message : answer).toBe(message);
  expect(store.revision).toBe(before);
});

test('refuses names that are not DNS labels, with the field and the rule', async () => {
  expect(await refusal(api.create(ref('services'), service('web.a')))).toContain('422 Invalid: Service "web.a" is invalid: metadata.name: Invalid value: "web.a": must not contain dots');
  expect(await refusal(api.create(ref('pods'), pod('Web_1')))).toContain('metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain');
  expect(await refusal(api.create(ref('pods'), pod('x', {}, { labels: { 'a b': 'c' } })))).toContain('metadata.labels: Invalid value: "a b": name part must consist of');
});

test('refuses a second object of a name', async () => {
  await api.create(ref('configmaps'), configMap('twice'));
  expect(await refusal(api.create(ref('configmaps'), configMap('twice')))).toBe('409 AlreadyExists: configmaps "twice" already exists');
});

test('refuses an update of a stale version, and keeps the newer one', async () => {
  const { object } = await api.create(ref('configmaps'), configMap('stale'));
  await api.update(ref('configmaps', 'stale'), { ...object, data: { a: '2' } });
  expect(await refusal(api.update(ref('configmaps', 'stale'), { ...object, data: { a: '3' } }))).toBe(
    '409 Conflict: Operation cannot be fulfilled on configmaps "stale": the object has been modified; please apply your changes to the latest version and try again',
  );
  expect((await api.get(ref('configmaps', 'stale')))['data']).toEqual({ a: '2' });
});

test('refuses too large objects', async () => {
  const big = pod('big', { containers: [{ name: 'a', image: 'b', args: ['x'.repeat(1.6 * 1024 * 1024)] }] });
  expect(await refusal(api.create(ref('pods'), big))).toMatch(/^413 RequestEntityTooLarge: Pod "big" is too large: \d+ bytes, at most 1572864$/);
  expect(await refusal(api.create(ref('configmaps'), configMap('big', { a: 'x'.repeat(1.1 * 1024 * 1024) })))).toContain('data: Too long: may not be more than 1048576 bytes');
});

test('a selector cannot be changed, and all errors of an object are told at once', async () => {
  await api.create(ref('deployments'), deployment('fixed'));
  const other = deployment('fixed', { selector: { matchLabels: { app: 'z' } }, template: { metadata: { labels: { app: 'z' } }, spec: { containers: [{ name: 'a', image: 'b' }] } } });
  expect(await refusal(api.update(ref('deployments', 'fixed'), other))).toBe(
    '422 Invalid: Deployment.apps "fixed" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"z"}}: field is immutable',
  );
  expect(await refusal(api.create(ref('deployments'), deployment('x', { replicas: -1, minReadySeconds: -1 })))).toMatch(
    /is invalid: \[spec\.replicas: .*, spec\.minReadySeconds: .*\]$/,
  );
});

test('unknown fields can be a warning, or nothing', async () => {
  const body = { ...configMap('loose'), colour: 'red' };
  const { object, warnings } = await api.create(ref('configmaps'), body, { fieldValidation: 'Warn', dryRun: true });
  expect(warnings).toEqual(['unknown field "colour"']);
  expect(object).not.toHaveProperty('colour');
  expect((await api.create(ref('configmaps'), body, { fieldValidation: 'Ignore' })).warnings).toEqual([]);
});
