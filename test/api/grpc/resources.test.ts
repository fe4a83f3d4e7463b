/** The gRPC face, through its codecs and with no network: encodings, errors, tables, watches and logs. */
import { expect, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { fromUtf8, toUtf8 } from '../../../src/base/bytes.ts';
import { Encoding, PatchType, Pods, Resources, type ApiObject } from '../../../src/proto/api.ts';
import { Node } from '../../../src/proto/node.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { bind, RpcCode, RpcError } from '../../../src/proto/rpc.ts';
import { decodeStatusDetails, structFromJson, structToJson } from '../../../src/proto/struct.ts';
import type { Init } from '../../../src/proto/wire.ts';
import { configMap, deployment, pod, quiet, ref, startServer } from '../fixture.ts';

async function start() {
  const asked: string[] = [];
  const clock = new DrivenClock();
  const agent = bind(Node, {
    logs: async function* (request) {
      asked.push(`${request.namespace}/${request.pod} ${request.container} tail=${request.tailLines}`);
      yield { data: fromUtf8('hello\n') };
    },
  });
  const fixture = await startServer({
    connectToNode: (address) => {
      asked.push(address);
      return directChannel({ services: [agent], clock, log: quiet });
    },
  });
  const channel = directChannel({ services: fixture.server.services, clock: fixture.clock, log: quiet });
  return { ...fixture, channel, asked };
}

const at = (resource: string, name = '', subresource = '') => ref(resource, name, 'default', subresource);
const json = (object: object): Init<ApiObject> => ({ encoding: { case: 'json', value: fromUtf8(JSON.stringify(object)) } });
const bodyOf = (object: ApiObject | undefined): Record<string, unknown> => {
  const encoding = object?.encoding;
  if (encoding === undefined) throw new Error('no object');
  return encoding.case === 'json' ? JSON.parse(toUtf8(encoding.value)) : structToJson(encoding.value);
};

async function failure(run: Promise<unknown>): Promise<RpcError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('an object travels as a Struct unless JSON is asked for, and both are the same', async () => {
  const { channel } = await start();
  const sent: Init<ApiObject> = { encoding: { case: 'fields', value: structFromJson(configMap('x')) } };
  await channel.unary(Resources.methods.create, { ref: at('configmaps'), object: sent });
  const readable = await channel.unary(Resources.methods.get, { ref: at('configmaps', 'x') });
  const fast = await channel.unary(Resources.methods.get, { ref: { ...at('configmaps', 'x'), version: '' }, encoding: Encoding.JSON });
  expect([readable.object?.encoding?.case, fast.object?.encoding?.case]).toEqual(['fields', 'json']);
  expect(bodyOf(readable.object)).toEqual(bodyOf(fast.object));
  expect(bodyOf(fast.object)).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } });
});

test('a refusal is a gRPC code with a metav1.Status in its details', async () => {
  const { channel } = await start();
  const missing = await failure(channel.unary(Resources.methods.get, { ref: at('deployments', 'ghost') }));
  expect([missing.code, missing.message]).toEqual([RpcCode.NOT_FOUND, 'deployments.apps "ghost" not found']);
  expect(decodeStatusDetails(missing.details!)).toMatchObject({ kind: 'Status', reason: 'NotFound', code: 404, details: { name: 'ghost', group: 'apps', kind: 'deployments' } });
  const invalid = await failure(channel.unary(Resources.methods.create, { ref: at('deployments'), object: json(deployment('x', { replicas: -1 })) }));
  expect(invalid.code).toBe(RpcCode.INVALID_ARGUMENT);
  expect(decodeStatusDetails(invalid.details!)).toMatchObject({ reason: 'Invalid', code: 422, details: { causes: [{ reason: 'FieldValueInvalid', field: 'spec.replicas' }] } });
});

test('broken and hostile bodies are refused as BadRequest', async () => {
  const { channel } = await start();
  const create = (text: string) => failure(channel.unary(Resources.methods.create, { ref: at('configmaps'), object: { encoding: { case: 'json', value: fromUtf8(text) } } }));
  for (const [text, message] of [
    ['{"kind":', 'the object is not JSON'],
    ['[]', 'the body of the request is not an object'],
    [`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`, 'nested deeper than 64'],
  ] as const) {
    const error = await create(text);
    expect([error.code, error.message]).toEqual([RpcCode.INVALID_ARGUMENT, expect.stringContaining(message)]);
  }
  const polluted = await create('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"__proto__":"x/y"},"b":1}');
  expect(polluted.message).toContain('unknown field "b"');
  expect(({} as Record<string, unknown>)['x/y']).toBeUndefined();
  expect((await failure(channel.unary(Resources.methods.get, {}))).message).toBe('ref is required');
  const nobody = await failure(channel.unary(Resources.methods.apply, { ref: at('configmaps', 'x'), object: { encoding: { case: 'json', value: fromUtf8('{}') } } }));
  expect(nobody.message).toContain('fieldManager: Required value: is required for apply patch');
});

test('tables have the columns of kubectl', async () => {
  const { channel, api } = await start();
  await api.create(at('deployments'), deployment('web'));
  const { items } = await channel.unary(Resources.methods.list, { ref: at('deployments'), asTable: true, encoding: Encoding.JSON });
  const table = bodyOf(items[0]) as { columnDefinitions: { name: string; priority: number }[]; rows: { cells: unknown[] }[] };
  expect(table.columnDefinitions.map(({ name, priority }) => (priority > 0 ? `(${name})` : name).toUpperCase()).join(' ')).toBe(
    'NAME READY UP-TO-DATE AVAILABLE AGE (CONTAINERS) (IMAGES) (SELECTOR)',
  );
  expect(table.rows.map(({ cells }) => cells)).toEqual([['web', '0/1', 0, 0, '0s', 'main', 'web:1', 'app=web']]);
});

test('watch streams events until the caller leaves, and ends by its timeout', async () => {
  const { channel, clock } = await start();
  const events = channel.serverStream(Resources.methods.watch, { ref: at('configmaps'), resourceVersion: '0', encoding: Encoding.JSON });
  await channel.unary(Resources.methods.create, { ref: at('configmaps'), object: json(configMap('x')) });
  const patch = { case: 'patchJson' as const, value: fromUtf8('{"data":{"b":"2"}}') };
  await channel.unary(Resources.methods.patch, { ref: at('configmaps', 'x'), patchType: PatchType.MERGE, patch });
  await channel.unary(Resources.methods.delete, { ref: at('configmaps', 'x') });
  const seen: string[] = [];
  for await (const { type, object, resourceVersion } of events) {
    const { metadata } = bodyOf(object) as { metadata: { name: string; resourceVersion: string } };
    expect(metadata.resourceVersion).toBe(resourceVersion);
    if (seen.push(`${type} ${metadata.name}`) === 3) break;
  }
  expect(seen).toEqual(['ADDED x', 'MODIFIED x', 'DELETED x']);
  const short = channel.serverStream(Resources.methods.watch, { ref: at('configmaps'), resourceVersion: '0', timeoutSeconds: 2 });
  const ended = (async () => {
    for await (const event of short) throw new Error(event.type);
    return 'ended';
  })();
  await clock.advance(2_001);
  expect(await ended).toBe('ended');
});

test('a watch of an unknown version fails with the reason', async () => {
  const { channel } = await start();
  const events = channel.serverStream(Resources.methods.watch, { ref: at('configmaps'), resourceVersion: 'x' });
  const error = await failure((async () => {
    for await (const event of events) void event;
  })());
  expect(decodeStatusDetails(error.details!)).toMatchObject({ code: 400 });
});

test('logs come from the agent of the node of the pod', async () => {
  const { channel, api, asked } = await start();
  const read = async (name: string, options: object = {}) => {
    let text = '';
    for await (const { data } of channel.serverStream(Pods.methods.logs, { namespace: 'default', name, ...options })) text += toUtf8(data);
    return text;
  };
  await api.create(at('pods'), pod('p'));
  expect((await failure(read('p'))).message).toBe('pod p does not have a host assigned');
  await api.create(at('nodes'), { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  await api.create(at('pods', 'p', 'binding'), { metadata: { name: 'p' }, target: { name: 'n1' } });
  expect((await failure(read('p'))).code).toBe(RpcCode.UNAVAILABLE);
  const status = { addresses: [{ type: 'InternalIP', address: '127.0.0.1' }], daemonEndpoints: { kubeletEndpoint: { Port: 10250 } } };
  await api.patch(at('nodes', 'n1', 'status'), { type: 'merge', body: { status } });
  expect(await read('p', { tailLines: 5 })).toBe('hello\n');
  expect(asked).toEqual(['127.0.0.1:10250', 'default/p main tail=5']);
  expect((await failure(read('p', { container: 'other' }))).message).toBe('container other is not valid for pod p');
});
