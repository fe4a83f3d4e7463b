/** What is counted of real calls over real connections, on both servers: each call that begins ends once, whatever becomes of it. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/system-clock.ts';
import { deferred, type Deferred } from '../../../src/base/deferred.ts';
import { silentLog } from '../../../src/base/log.ts';
import { Registry } from '../../../src/base/prometheus.ts';
import { connect } from '../../../src/grpc/channel.ts';
import type { RunningServer } from '../../../src/grpc/server-options.ts';
import { KV, PutRequest, RangeResponse, Watch } from '../../../src/proto/etcd.ts';
import { bind, RpcCode, RpcError, type BoundService, type Channel } from '../../../src/proto/rpc.ts';
import { CallMetrics } from '../../../src/store/http/call-metrics.ts';
import { SERVERS } from '../../grpc/transports.ts';

let server: RunningServer;
let channel: Channel;
let registry: Registry;
afterEach(async () => {
  channel.close();
  await server.stop(0);
});

/** A range waits for the test; a put fails, with what it says. */
let held: Deferred<void>;
const services: readonly BoundService[] = [
  bind(KV, {
    range: async () => {
      await held.promise;
      return { count: 3 };
    },
    put: () => {
      throw new RpcError(RpcCode.RESOURCE_EXHAUSTED, 'full');
    },
  }),
  bind(Watch, {
    async *watch(requests) {
      for await (const _ of requests) yield { created: true };
    },
  }),
];

async function start(Server: (typeof SERVERS)[number]['Server'], isTimed = false): Promise<void> {
  held = deferred<void>();
  registry = new Registry();
  const { observe } = new CallMetrics(registry, isTimed ? systemClock : undefined);
  server = new Server({ log: silentLog, services: [...services], tls: undefined, observe });
  const [port] = await server.listen(['127.0.0.1:0']);
  channel = connect({ addresses: [`127.0.0.1:${port}`] });
}

/** Lines of the text that begin so, without those that say 0. */
async function lines(prefix: string): Promise<string[]> {
  const text = await registry.text();
  return text.split('\n').filter((line) => line.startsWith(prefix) && !line.endsWith(' 0'));
}

const labels = (service: string, method: string, type: string) => `grpc_method="${method}",grpc_service="etcdserverpb.${service}",grpc_type="${type}"`;
const range = labels('KV', 'Range', 'unary');
const put = labels('KV', 'Put', 'unary');
const watch = labels('Watch', 'Watch', 'bidi_stream');

describe.each(SERVERS)('$name', ({ name, Server }) => {
  test('a call has started before it is handled, and is handled by its code', async () => {
    await start(Server);
    const call = channel.unary(KV.methods.range, {}, { timeoutMs: 10_000 });
    await vi.waitFor(async () => expect(await lines('grpc_server_started_total')).toEqual([`grpc_server_started_total{${range}} 1`]));
    expect(await lines('grpc_server_handled_total')).toEqual([]);
    held.resolve();
    await call;
    await expect(channel.unary(KV.methods.put, {}, { timeoutMs: 10_000 })).rejects.toMatchObject({ code: RpcCode.RESOURCE_EXHAUSTED });
    expect(await lines('grpc_server_handled_total')).toEqual([
      `grpc_server_handled_total{grpc_code="OK",${range}} 1`,
      `grpc_server_handled_total{grpc_code="ResourceExhausted",${put}} 1`,
    ]);
    expect(await lines('grpc_server_handling_seconds')).toEqual([]);
  });

  test('a stream that stands is what was started less what was handled', async () => {
    await start(Server);
    const left = new AbortController();
    const call = channel.bidi(Watch.methods.watch, { signal: left.signal });
    call.send({});
    for await (const _ of call.responses) break;
    expect(await lines('grpc_server_started_total')).toEqual([`grpc_server_started_total{${watch}} 1`]);
    left.abort();
    // grpc-js may tell its handler that the requests have ended before it says why.
    const ended = (code: string) => `grpc_server_handled_total{grpc_code="${code}",${watch}} 1`;
    await vi.waitFor(async () => expect([[ended('Canceled')], [ended('OK')]]).toContainEqual(await lines('grpc_server_handled_total')));
  });

  test('bytes are those of the messages, both ways', async () => {
    await start(Server);
    held.resolve();
    const request = { key: Buffer.from('k'), value: Buffer.alloc(5_000) };
    await channel.unary(KV.methods.put, request, { timeoutMs: 10_000 }).catch(() => undefined);
    await channel.unary(KV.methods.range, {}, { timeoutMs: 10_000 });
    expect(await lines('etcd_network_client_grpc_')).toEqual([
      `etcd_network_client_grpc_received_bytes_total ${PutRequest.encode(request).length}`,
      `etcd_network_client_grpc_sent_bytes_total ${RangeResponse.encode({ count: 3 }).length}`,
    ]);
  });

  test('how long calls take is told where it is asked for', async () => {
    await start(Server, true);
    const call = channel.unary(KV.methods.range, {}, { timeoutMs: 10_000 });
    await vi.waitFor(async () => expect(await lines('grpc_server_started_total')).toHaveLength(1));
    const startedAt = performance.now();
    await vi.waitFor(() => expect(performance.now() - startedAt).toBeGreaterThan(30));
    held.resolve();
    await call;
    const text = await lines('grpc_server_handling_seconds');
    expect(text).toContain(`grpc_server_handling_seconds_bucket{${range},le="+Inf"} 1`);
    expect(text.find((line) => line.includes('le="0.025"'))).toBeUndefined();
    expect(Number(text.find((line) => line.startsWith('grpc_server_handling_seconds_sum'))!.split(' ')[1])).toBeGreaterThan(0.03);
  });

  test.skipIf(name === 'grpc-js')('a caller that goes before its answer is handled as such (grpc-js hands the answer to nobody)', async () => {
    await start(Server);
    const gone = new AbortController();
    const call = channel.unary(KV.methods.range, {}, { timeoutMs: 10_000, signal: gone.signal });
    await vi.waitFor(async () => expect(await lines('grpc_server_started_total')).toHaveLength(1));
    gone.abort();
    await expect(call).rejects.toMatchObject({ code: RpcCode.CANCELLED });
    const handled = [`grpc_server_handled_total{grpc_code="Canceled",${range}} 1`];
    await vi.waitFor(async () => expect(await lines('grpc_server_handled_total')).toEqual(handled));
    held.resolve();
    await channel.unary(KV.methods.put, {}, { timeoutMs: 10_000 }).catch(() => undefined);
    expect(await lines('grpc_server_handled_total')).toEqual([...handled, `grpc_server_handled_total{grpc_code="ResourceExhausted",${put}} 1`]);
  });
});
