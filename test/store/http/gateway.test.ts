/** The gateway on a real socket, before a handler of its own. */
import { Agent, createServer, request as httpRequest } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { DrivenClock } from '../../../src/base/driven-clock.ts';
import { directChannel } from '../../../src/proto/direct-channel.ts';
import { KV } from '../../../src/proto/etcd.ts';
import { bind } from '../../../src/proto/rpc.ts';
import { Gateway } from '../../../src/store/http/gateway.ts';
import { mapStoreError } from '../../../src/store/rpc/errors.ts';
import { quiet } from '../../api/fixture.ts';

const KIB = 1024;

async function start(requestBytesMax: number) {
  const services = [bind(KV, { put: ({ value }) => ({ header: { revision: value.length } }) }, mapStoreError)];
  const gateway = new Gateway({ channel: directChannel({ services, clock: new DrivenClock(), log: quiet }), services, requestBytesMax });
  const server = createServer((request, response) => void gateway.serve((request.url ?? '').slice('/v3/'.length), request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => {
    agent.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  let sockets = 0;
  const put = (valueBytes: number) =>
    new Promise<string>((resolve, reject) => {
      const body = JSON.stringify({ key: 'aaaa', value: Buffer.alloc(valueBytes).toString('base64') });
      const asked = httpRequest({ agent, port, host: '127.0.0.1', method: 'POST', path: '/v3/kv/put' }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => resolve(`${response.statusCode} ${text}`));
      });
      asked.once('socket', () => (sockets += asked.reusedSocket ? 0 : 1)).once('error', reject).end(body);
    });
  return { put, sockets: () => sockets };
}

test('a body that is too long is refused, and the next request on its connection is answered', async () => {
  const { put, sockets } = await start(64 * KIB);
  const refused = '400 {"error":"etcdserver: request is too large","code":3,"message":"etcdserver: request is too large"}';
  expect(await put(10_000 * KIB)).toBe(refused);
  expect(await put(60 * KIB)).toBe('200 {"header":{"revision":"61440"}}');
  expect(await put(900 * KIB)).toBe(refused);
  expect(await put(1)).toBe('200 {"header":{"revision":"1"}}');
  expect(sockets()).toBe(1);
});

test('the longest body follows --max-request-bytes', async () => {
  const { put } = await start(8000 * KIB);
  expect(await put(7900 * KIB)).toBe(`200 {"header":{"revision":"${7900 * KIB}"}}`);
});
