/** What HTTP/2 asks of this face's own side of it: headers, heads without bodies, windows, and connections that idle. */
import { connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { expect, test } from 'vitest';
import { settle } from '../../../src/base/driven-clock.ts';
import { configMap } from '../fixture.ts';
import { ADMIN_TOKEN, answerOf, refusalOf, startRest, type Body } from './fixture.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const REVIEWS = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

test('a header that comes several times is joined; of one that is a single value the first counts', async () => {
  const client = (await startRest()).client();
  const stream = client.session.request({
    ':method': 'POST',
    ':path': REVIEWS,
    authorization: `Bearer ${ADMIN_TOKEN}`,
    'content-type': 'application/json',
    'impersonate-user': 'jane',
    'impersonate-group': ['one', 'two'],
  });
  stream.end('{}');
  const { status, text } = await answerOf(stream);
  const { userInfo } = (JSON.parse(text) as Body & { status: { userInfo: { username: string; groups: string[] } } }).status;
  expect([status, userInfo.username, userInfo.groups]).toEqual([201, 'jane', ['one', 'two', 'system:authenticated']]);
});

test('HEAD is answered by a head alone, and every answer says when', async () => {
  const client = (await startRest()).client();
  const head = await client.request('HEAD', '/version');
  expect([head.status, head.text]).toEqual([405, '']);
  const { headers } = await client.get('/version');
  expect([Date.parse(headers['date'] ?? '') > 0, headers['audit-id']]).toEqual([true, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
});

test('who asks whether to send its body is told to, and one larger than a window comes whole', async () => {
  const client = (await startRest()).client();
  const told = client.session.request({ ':method': 'POST', ':path': CONFIG_MAPS, authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json', expect: '100-continue' });
  told.once('continue', () => told.end(JSON.stringify(configMap('told'))));
  expect((await answerOf(told)).status).toBe(201);
  const padded = Buffer.from(JSON.stringify(configMap('large', { text: 'x'.repeat(500_000) })) + ' '.repeat(1_000_000));
  expect((await client.request('POST', CONFIG_MAPS, { bytes: padded })).status).toBe(201);
  expect((await client.get(`${CONFIG_MAPS}/large`)).body.data['text']).toHaveLength(500_000);
});

test('bodies that are refused take no room from those that follow on the connection', async () => {
  const client = (await startRest({ limits: { bodyBytesMax: 10_000 } })).client();
  const large = configMap('x', { a: 'x'.repeat(900_000) });
  // Together several times what the connection may have on its way.
  for (let round = 0; round < 20; round++) {
    const { length } = JSON.stringify(large);
    const refused = await client.request('POST', CONFIG_MAPS, { body: large, headers: round % 2 === 0 ? {} : { 'content-length': String(length) } });
    expect(refusalOf(refused)).toContain('413 RequestEntityTooLarge');
  }
  expect((await client.request('POST', CONFIG_MAPS, { body: configMap('y') })).status).toBe(201);
});

test('a client that goes in the middle of its body is waited for no longer', async () => {
  const { client: open, face } = await startRest();
  const client = open();
  const stream = client.session.request({ ':method': 'POST', ':path': CONFIG_MAPS, authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' });
  stream.on('error', () => {});
  stream.write('{"apiVersion":');
  const atWork = async (count: number) => {
    const line = `apiserver_current_inflight_requests{request_kind="mutating"} ${count}`;
    for (let turn = 0; turn < 2_000; turn++) {
      if ((await face.metrics.registry.text()).includes(line)) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`it never said ${line}`);
  };
  await atWork(1);
  client.session.destroy();
  await atWork(0);
});

test('a connection without a request for long is closed, one with a watch is not', async () => {
  const { client: open, clock, port, certificates } = await startRest();
  const watching = open();
  await watching.watch(`${CONFIG_MAPS}?watch=1&timeoutSeconds=3600`).open();
  const idle = connect(`https://127.0.0.1:${port}`, { ca: Buffer.from(certificates.ca) });
  const closed = new Promise<void>((resolve) => idle.once('close', resolve));
  const headers = new Promise<IncomingHttpHeaders & IncomingHttpStatusHeader>((resolve) => idle.request({ ':path': '/version' }).once('response', resolve).resume());
  expect((await headers)[':status']).toBe(200);
  for (let at = 0; at < 10; at++) await clock.advance(10_000);
  await settle();
  expect(idle.closed).toBe(false);
  for (let at = 0; at < 12; at++) await clock.advance(10_000);
  await closed;
  expect([watching.session.closed, (await watching.get('/version')).status]).toEqual([false, 200]);
});
