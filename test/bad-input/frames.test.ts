/** A server in the same process hears what is no TLS, no HTTP/2, no gRPC and no protobuf, and goes on serving. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { connect } from '../../src/grpc/channel.ts';
import { REQUEST_BYTES_MAX, type RunningServer } from '../../src/grpc/server-options.ts';
import { Health } from '../../src/proto/health.ts';
import { HealthService } from '../../src/grpc/health.ts';
import { RpcCode } from '../../src/proto/rpc.ts';
import { BROKEN_HTTP2, BROKEN_REQUESTS, goawayCode, HUGE_BYTES, grpcFrame, overTcp, PING_FLOOD, randomBytes, rawGrpc, nodeCode, rfcCode, type Target } from './hostile.ts';
import { SERVERS } from '../grpc/transports.ts';

const path = Health.methods.check.path;
describe.each(SERVERS)('$name', ({ name, Server }) => {
let server: RunningServer;
let target: Target;

beforeAll(async () => {
  server = new Server({ log: silentLog, services: [new HealthService('serving').bound] });
  const [port] = await server.listen(['127.0.0.1:0']);
  target = { host: '127.0.0.1', port: port! };
});

afterAll(() => server.stop(0));

async function expectServing(): Promise<void> {
  const channel = connect({ addresses: [`${target.host}:${target.port}`] });
  await expect(channel.unary(Health.methods.check, {}, { timeoutMs: 5_000 })).resolves.toMatchObject({ status: 1 });
  channel.close();
}

test.each(BROKEN_HTTP2)('%s: the connection is ended with a GOAWAY, the next one served', async (_what, code, bytes) => {
  expect(goawayCode(await overTcp(target, bytes))).toBe(name === 'lean' ? rfcCode(_what, code) : nodeCode(code, bytes));
  await expectServing();
});

test('random bytes, HTTP/1.1 and a flood of pings end their own connection only', async () => {
  const code = name === 'lean' ? 1 : 2;
  expect(goawayCode(await overTcp(target, randomBytes('noise', 64 * 1024)))).toBe(code);
  expect(goawayCode(await overTcp(target, Buffer.from('GET / HTTP/1.1\r\nhost: podium\r\n\r\n')))).toBe(code);
  await overTcp(target, PING_FLOOD);
  await expectServing();
});

test.each(BROKEN_REQUESTS)('%s is answered, and the next request served', async (_what, request, expected) => {
  expect(await rawGrpc(target, request(path))).toMatchObject(expected);
  await expectServing();
});

test('a message of 64 MiB is refused at its first bytes, with its size and the limit', async () => {
  const bytes = 64 * 1024 * 1024;
  const { request } = Health.methods.check;
  const channel = connect({ addresses: [`${target.host}:${target.port}`] });
  const huge = channel.unary({ ...Health.methods.check, request }, { service: 'x'.repeat(bytes) }, { timeoutMs: 15_000 });
  await expect(huge).rejects.toMatchObject({
    code: RpcCode.RESOURCE_EXHAUSTED,
    message: expect.stringMatching(new RegExp(`^Received message larger than max \\(671088\\d\\d vs ${REQUEST_BYTES_MAX}\\)$`)) as string,
  });
  channel.close();
  await expectServing();
});

test('a client of Node.js that sends 64 MiB hears at once that it is too much', async () => {
  const startedAt = performance.now();
  const answer = await rawGrpc(target, { path, body: grpcFrame(Buffer.alloc(HUGE_BYTES)) });
  if (answer.status === undefined) expect(answer.error).toBe('ERR_HTTP2_STREAM_ERROR');
  else expect(answer.status).toBe(8);
  expect(performance.now() - startedAt).toBeLessThan(10_000); // it gives up after 15 s
});

test('a port that is taken, and an address that is not ours, are told with what to do', async () => {
  const second = new Server({ log: silentLog, services: [] });
  await expect(second.listen([`127.0.0.1:${target.port}`])).rejects.toThrow(
    `cannot listen on 127.0.0.1:${target.port}: another process listens there (EADDRINUSE): stop it, or choose another port`,
  );
  const third = new Server({ log: silentLog, services: [] });
  await expect(third.listen(['192.0.2.1:1'])).rejects.toThrow(
    'cannot listen on 192.0.2.1:1: this machine has no such address (EADDRNOTAVAIL): choose one that it has',
  );
});
});
