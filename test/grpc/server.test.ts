/** Handlers behind a real server, called through a real channel, on loopback. The direct channel must behave the same. */
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { deferred } from '../../src/base/deferred.ts';
import { silentLog } from '../../src/base/log.ts';
import type { GrpcChannel } from '../../src/grpc/channel.ts';
import { HealthService } from '../../src/grpc/health.ts';
import { reflectionServices } from '../../src/grpc/reflection.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import * as etcd from '../../src/proto/etcd.ts';
import { Health, ServingStatus } from '../../src/proto/health.ts';
import { Raft, type SnapshotChunk } from '../../src/proto/raft.ts';
import * as reflection from '../../src/proto/reflection.ts';
import * as reflectionAlpha from '../../src/proto/reflection-alpha.ts';
import { bind, RpcCode, RpcError, type BoundService, type CallContext, type Channel } from '../../src/proto/rpc.ts';
import type { Init, Writer } from '../../src/proto/wire.ts';
import { TRANSPORTS } from './transports.ts';
import { SharedAnswers } from '../../src/proto/shared-answers.ts';
import { decodeStatusDetails, encodeStatusDetails } from '../../src/proto/struct.ts';

describe.each(TRANSPORTS)('$name', ({ name, Server, connect }) => {
  const text = (value: string) => new TextEncoder().encode(value);
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  async function serve(services: readonly BoundService[], options: { requestBytesMax?: number } = {}) {
    const server = new Server({ log: silentLog, services, ...options });
    const [port] = await server.listen(['127.0.0.1:0']);
    cleanups.push(() => server.stop(0));
    return { server, port: port! };
  }

  function open(port: number): GrpcChannel {
    const channel = connect({ addresses: [`127.0.0.1:${port}`] });
    cleanups.push(() => channel.close());
    return channel;
  }

  const bindings: readonly [string, (services: readonly BoundService[]) => Promise<Channel>][] = [
    ['grpc', async (services) => open((await serve(services)).port)],
    ['direct', async (services) => directChannel({ services, clock: new DrivenClock(), log: silentLog })],
  ];
  const tested = name === 'grpc-js' ? bindings : bindings.slice(0, 1); // the direct one is of neither, once is enough

  const failure = (promise: Promise<unknown>): Promise<RpcError> =>
    promise.then(
      () => Promise.reject(new Error('did not fail')),
      (error: unknown) => {
        expect(error).toBeInstanceOf(RpcError);
        return error as RpcError;
      },
    );

  async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
    const all: T[] = [];
    for await (const item of items) all.push(item);
    return all;
  }

  describe.each(tested)('over %s', (_, channelTo) => {
    test('a unary call reaches its handler, with metadata, and its answer comes back', async () => {
      const seen: (string | undefined)[] = [];
      const channel = await channelTo([
        bind(etcd.KV, {
          put: async ({ key, lease }, context) => {
            seen.push(context.metadata.get('hasleader'), context.metadata.get('other'));
            return { header: { revision: 7, clusterId: 2n ** 64n - 1n }, prevKv: { key, lease } };
          },
        }),
      ]);
      const response = await channel.unary(
        etcd.KV.methods.put,
        { key: text('k'), lease: 9n },
        { metadata: { hasleader: 'true' } },
      );
      expect(response).toEqual(
        etcd.PutResponse.create({
          header: { revision: 7, clusterId: 2n ** 64n - 1n },
          prevKv: { key: text('k'), lease: 9n },
        }),
      );
      expect(seen).toEqual(['true', undefined]);
    });

    test('errors cross with code, text and details; what nobody expected is Internal; what is missing, Unimplemented', async () => {
      const details = encodeStatusDetails({ code: 11, message: 'gone', json: { reason: 'Expired' } });
      const channel = await channelTo([
        bind(
          etcd.KV,
          {
            range: () => {
              throw new RpcError(RpcCode.OUT_OF_RANGE, 'gone', { details });
            },
            put: () => Promise.reject(new Error('a secret')),
            compact: () => Promise.reject(new RangeError('mapped')),
          },
          (error) => (error instanceof RangeError ? new RpcError(RpcCode.ABORTED, error.message) : undefined),
        ),
      ]);
      const expected = await failure(channel.unary(etcd.KV.methods.range, {}));
      expect([expected.code, expected.message, expected.notSent]).toEqual([RpcCode.OUT_OF_RANGE, 'gone', false]);
      expect(decodeStatusDetails(expected.details!)).toEqual({ reason: 'Expired' });
      const bug = await failure(channel.unary(etcd.KV.methods.put, {}));
      expect([bug.code, bug.message]).toEqual([RpcCode.INTERNAL, 'internal error']);
      expect((await failure(channel.unary(etcd.KV.methods.compact, {}))).code).toBe(RpcCode.ABORTED);
      expect((await failure(channel.unary(etcd.KV.methods.txn, {}))).code).toBe(RpcCode.UNIMPLEMENTED);
      expect((await failure(channel.unary(etcd.Auth.methods.authEnable, {}))).code).toBe(RpcCode.UNIMPLEMENTED);
      expect((await failure(collect(channel.serverStream(etcd.KV.methods.rangeStream, {})))).code).toBe(
        RpcCode.UNIMPLEMENTED,
      );
    });

    test('a server stream ends with what was sent, then with its error', async () => {
      const channel = await channelTo([
        bind(etcd.KV, {
          async *rangeStream({ limit }) {
            for (let count = 0; count < limit; count++) yield { rangeResponse: { count } };
            if (limit === 300) throw new RpcError(RpcCode.OUT_OF_RANGE, 'compacted');
          },
        }),
      ]);
      const counts = (await collect(channel.serverStream(etcd.KV.methods.rangeStream, { limit: 500 }))).map(
        (part) => part.rangeResponse?.count,
      );
      expect(counts).toEqual(Array.from({ length: 500 }, (_, count) => count));
      let received = 0;
      const reading = (async () => {
        for await (const _ of channel.serverStream(etcd.KV.methods.rangeStream, { limit: 300 })) received++;
      })();
      expect((await failure(reading)).message).toBe('compacted');
      expect(received).toBe(300);
    });

    test('answers that share their end arrive one by one, in order, however much they are', async () => {
      const tail = etcd.WatchResponse.encode({ cancelReason: 'x'.repeat(1000) });
      const heads = Array.from({ length: 2000 }, (_, at) => etcd.WatchResponse.encode({ watchId: at + 1 }));
      const channel = await channelTo([
        bind(etcd.Watch, {
          async *watch() {
            yield new SharedAnswers(heads.slice(0, 3), tail);
            yield new SharedAnswers(heads.slice(3, 4), new Uint8Array());
            yield new SharedAnswers(heads.slice(4), tail);
            yield { watchId: 9999 };
          },
        }),
      ]);
      const parts = await collect(channel.bidi(etcd.Watch.methods.watch).responses);
      expect(parts.map(({ watchId }) => watchId)).toEqual([...Array.from({ length: 2000 }, (_, at) => at + 1), 9999]);
      expect(parts.flatMap(({ cancelReason }, at) => (cancelReason.length === 1000 ? [] : [at]))).toEqual([3, 2000]);
    });

    test('a handler may answer bytes that were encoded before', async () => {
      const channel = await channelTo([bind(etcd.KV, { range: () => etcd.RangeResponse.encode({ count: 3 }) })]);
      expect((await channel.unary(etcd.KV.methods.range, {})).count).toBe(3);
    });

    test('who reads slowly gets the whole answer of a handler that did not wait for the end of the requests', async () => {
      const channel = await channelTo([
        bind(etcd.Lease, {
          // Its answer does not depend on what it is asked.
          async *leaseKeepAlive() {
            for (let ttl = 1; ttl <= 2_000; ttl++) yield await Promise.resolve({ id: 1n, ttl });
          },
        }),
      ]);
      const call = channel.bidi(etcd.Lease.methods.leaseKeepAlive);
      call.send({ id: 1n });
      const seen: number[] = [];
      for await (const { ttl } of call.responses) {
        seen.push(ttl);
        // The server gives up what is still to come of the requests a while after its answer.
        if (ttl <= 40) await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(seen).toEqual(Array.from({ length: 2_000 }, (_, at) => at + 1));
    });

    test('a bidirectional stream answers while it is asked, and ends after its requests', async () => {
      const channel = await channelTo([
        bind(etcd.Lease, {
          async *leaseKeepAlive(requests) {
            for await (const { id } of requests) yield { id, ttl: 5 };
          },
        }),
      ]);
      const call = channel.bidi(etcd.Lease.methods.leaseKeepAlive);
      const responses = call.responses[Symbol.asyncIterator]();
      for (const id of [1n, 2n, -3n]) {
        call.send({ id });
        expect((await responses.next()).value).toMatchObject({ id, ttl: 5 });
      }
      call.end();
      expect((await responses.next()).done).toBe(true);
    });

    test('a client stream is answered once', async () => {
      const channel = await channelTo([
        bind(Raft, {
          snapshot: async (chunks) => ({ installed: true, index: (await collect(chunks)).length }),
        }),
      ]);
      async function* chunks(): AsyncGenerator<Init<SnapshotChunk>> {
        for (let i = 0; i < 200; i++) yield { chunk: { case: 'data', value: new Uint8Array(1000) } } as const;
      }
      expect(await channel.clientStream(Raft.methods.snapshot, chunks())).toMatchObject({
        installed: true,
        index: 200,
      });
      async function* broken(): AsyncGenerator<Init<SnapshotChunk>> {
        yield { chunk: { case: 'data', value: new Uint8Array(10) } } as const;
        throw new Error('disk');
      }
      expect((await failure(channel.clientStream(Raft.methods.snapshot, broken()))).code).toBe(RpcCode.ABORTED);
    });

    test.each(['signal', 'loop left', 'cancel()'])('the handler sees that the caller went: %s', async (how) => {
      const gone = deferred<void>();
      const channel = await channelTo([
        bind(etcd.Watch, {
          async *watch(_, { signal }) {
            signal.addEventListener('abort', () => gone.resolve());
            yield { watchId: 1, created: true };
            await gone.promise;
          },
        }),
      ]);
      const controller = new AbortController();
      const call = channel.bidi(etcd.Watch.methods.watch, { signal: controller.signal });
      const reading = (async () => {
        for await (const _ of call.responses) {
          if (how === 'loop left') return;
          if (how === 'signal') controller.abort();
          else call.cancel();
        }
      })();
      const outcome = how === 'loop left' ? reading : failure(reading);
      await gone.promise;
      if (how !== 'loop left') expect(await outcome).toMatchObject({ code: RpcCode.CANCELLED });
      await outcome;
    });

    test('a unary call is cancelled by its signal', async () => {
      const started = deferred<CallContext>();
      const channel = await channelTo([
        bind(etcd.KV, {
          range: (_, context) => {
            started.resolve(context);
            return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve({})));
          },
        }),
      ]);
      const controller = new AbortController();
      const calling = channel.unary(etcd.KV.methods.range, {}, { signal: controller.signal });
      const { signal } = await started.promise;
      controller.abort();
      expect((await failure(calling)).code).toBe(RpcCode.CANCELLED);
      if (!signal.aborted) await once(signal, 'abort');
      const never = await failure(channel.unary(etcd.KV.methods.range, {}, { signal: controller.signal }));
      expect([never.code, never.notSent]).toEqual([RpcCode.CANCELLED, true]);
    });

    test('backpressure: a handler is not asked for more than the reader takes', async () => {
      let produced = 0;
      const channel = await channelTo([
        bind(etcd.KV, {
          async *rangeStream() {
            for (; produced < 2000; produced++) yield { rangeResponse: { kvs: [{ value: new Uint8Array(100_000) }] } };
          },
        }),
      ]);
      const iterator = channel.serverStream(etcd.KV.methods.rangeStream, {})[Symbol.asyncIterator]();
      for (let i = 0; i < 3; i++) await iterator.next();
      // Whatever buffers there are fill up; a bounded number of turns later nothing moves any more.
      let before = -1;
      while (before !== produced) {
        before = produced;
        for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(produced).toBeLessThan(1000);
      let rest = 3;
      while (!(await iterator.next()).done) rest++;
      expect(rest).toBe(2000);
    });
  });

  test('a deadline ends the call on both sides', async () => {
    const gone = deferred<number | undefined>();
    const { port } = await serve([
      bind(etcd.KV, {
        range: (_, { signal, deadlineMs }) =>
          new Promise(() => signal.addEventListener('abort', () => gone.resolve(deadlineMs))),
      }),
    ]);
    const channel = open(port);
    await channel.ready(5000);
    expect((await failure(channel.unary(etcd.KV.methods.range, {}, { timeoutMs: 100 }))).code).toBe(
      RpcCode.DEADLINE_EXCEEDED,
    );
    expect(await gone.promise).toBeLessThanOrEqual(100);

    const clock = new DrivenClock();
    const direct = directChannel({
      services: [bind(etcd.KV, { range: () => new Promise(() => undefined) })],
      clock,
      log: silentLog,
    });
    const calling = failure(direct.unary(etcd.KV.methods.range, {}, { timeoutMs: 100 }));
    await clock.advance(100);
    expect((await calling).code).toBe(RpcCode.DEADLINE_EXCEEDED);
  });

  describe('what is wrong on the wire', () => {
    const services = [bind(etcd.KV, { range: () => ({ count: 1 }), put: () => ({}) })];

    test('an oversized request is refused, the connection lives on', async () => {
      const { port } = await serve(services, { requestBytesMax: 1000 });
      const channel = open(port);
      const error = await failure(channel.unary(etcd.KV.methods.put, { value: new Uint8Array(1001) }));
      expect(error.code).toBe(RpcCode.RESOURCE_EXHAUSTED);
      expect((await channel.unary(etcd.KV.methods.range, {})).count).toBe(1);
    });

    test('a request that is not a message is refused, the server lives on', async () => {
      const { port } = await serve(services);
      const channel = open(port);
      const broken = {
        ...etcd.KV.methods.range,
        request: { ...etcd.RangeRequest, encode: () => Buffer.from('0a05ff', 'hex') },
      };
      const error = await failure(channel.unary(broken, {}));
      expect(error.code).toBe(RpcCode.INTERNAL);
      expect(error.message).toContain('a length that reaches past the end');
      expect((await channel.unary(etcd.KV.methods.range, {})).count).toBe(1);
    });

    test('a broken request ends a stream', async () => {
      const { port } = await serve([
        bind(etcd.Lease, {
          async *leaseKeepAlive(requests) {
            for await (const { id } of requests) yield { id };
          },
        }),
      ]);
      const method = etcd.Lease.methods.leaseKeepAlive;
      const cutOff = Buffer.from('08', 'hex');
      const broken = { ...method, request: { ...etcd.LeaseKeepAliveRequest, encode: () => cutOff, write: (writer: Writer) => writer.raw(cutOff) } };
      const call = open(port).bidi(broken);
      call.send({});
      expect((await failure(collect(call.responses))).code).toBe(RpcCode.INTERNAL);
    });

    test('bytes that are not HTTP/2 close that connection only', async () => {
      const { port } = await serve(services);
      const socket = connectSocket(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n' + '\0'.repeat(100));
      socket.resume();
      await once(socket, 'close');
      expect((await open(port).unary(etcd.KV.methods.range, {})).count).toBe(1);
    });
  });

  test('a call to nobody is Unavailable and says that it was not sent', async () => {
    const { server, port } = await serve([bind(etcd.KV, { range: () => ({ count: 1 }) })]);
    await server.stop(0);
    const error = await failure(open(port).unary(etcd.KV.methods.range, {}));
    expect([error.code, error.notSent]).toEqual([RpcCode.UNAVAILABLE, true]);
  });

  test('a call that was on its way when the server died is Unavailable and may have been sent', async () => {
    const arrived = deferred<void>();
    const { server, port } = await serve([
      bind(etcd.KV, {
        put: () => {
          arrived.resolve();
          return new Promise(() => undefined);
        },
      }),
    ]);
    const calling = failure(open(port).unary(etcd.KV.methods.put, {}));
    await arrived.promise;
    await server.stop(0);
    const error = await calling;
    expect([error.code, error.notSent]).toEqual([RpcCode.UNAVAILABLE, false]);
  });

  test('stop() ends streams at once and lets a unary call finish', async () => {
    const answer = deferred<{ count: number }>();
    const arrived = deferred<void>();
    const { server, port } = await serve([
      bind(etcd.KV, {
        range: () => {
          arrived.resolve();
          return answer.promise;
        },
      }),
      bind(etcd.Watch, {
        async *watch(_, { signal }) {
          yield { created: true };
          await once(signal, 'abort');
        },
      }),
    ]);
    const channel = open(port);
    const watching = channel.bidi(etcd.Watch.methods.watch);
    const events = watching.responses[Symbol.asyncIterator]();
    await events.next();
    const ranging = channel.unary(etcd.KV.methods.range, {});
    await arrived.promise;
    const stopped = server.stop(5000);
    expect((await failure(events.next())).code).toBe(RpcCode.UNAVAILABLE);
    answer.resolve({ count: 4 });
    expect((await ranging).count).toBe(4);
    await stopped;
  });

  test('an address that is taken is named', async () => {
    const { port } = await serve([]);
    const second = new Server({ log: silentLog, services: [] });
    await expect(second.listen([`127.0.0.1:${port}`])).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
  });

  test('health: Check and Watch', async () => {
    const health = new HealthService('not-serving');
    const channel = open((await serve([health.bound])).port);
    expect((await channel.unary(Health.methods.check, {})).status).toBe(ServingStatus.NOT_SERVING);
    expect((await failure(channel.unary(Health.methods.check, { service: 'x' }))).code).toBe(RpcCode.NOT_FOUND);
    const watch = channel.serverStream(Health.methods.watch, { service: 'x' })[Symbol.asyncIterator]();
    expect((await watch.next()).value?.status).toBe(ServingStatus.SERVICE_UNKNOWN);
    health.set('x', 'serving');
    expect((await watch.next()).value?.status).toBe(ServingStatus.SERVING);
    health.set('x', 'not-serving');
    expect((await watch.next()).value?.status).toBe(ServingStatus.NOT_SERVING);
  });

  describe.each([
    ['v1', reflection.ServerReflection],
    ['v1alpha', reflectionAlpha.ServerReflection],
  ] as const)('reflection %s', (_, service) => {
    async function ask(messageRequest: NonNullable<reflection.ServerReflectionRequest['messageRequest']>) {
      const channel = open((await serve(reflectionServices(['etcdserverpb.KV', 'podium.api.v1.Resources']))).port);
      const call = channel.bidi(service.methods.serverReflectionInfo);
      call.send({ messageRequest });
      call.end();
      const [response] = await collect(call.responses);
      return response?.messageResponse;
    }

    test('lists services', async () => {
      const response = await ask({ case: 'listServices', value: '' });
      expect(response).toMatchObject({
        case: 'listServicesResponse',
        value: {
          service: [
            { name: 'etcdserverpb.KV' },
            { name: 'grpc.reflection.v1.ServerReflection' },
            { name: 'grpc.reflection.v1alpha.ServerReflection' },
            { name: 'podium.api.v1.Resources' },
          ],
        },
      });
    });

    test('a symbol comes with every file that it needs', async () => {
      const response = await ask({ case: 'fileContainingSymbol', value: 'etcdserverpb.KV' });
      if (response?.case !== 'fileDescriptorResponse') throw new Error(`answered ${response?.case}`);
      const { default: protobuf } = await import('protobufjs');
      const { default: descriptor } = await import('protobufjs/ext/descriptor.js');
      const file = response.value.fileDescriptorProto.map((bytes) => descriptor.FileDescriptorProto.decode(bytes));
      expect(file.map((message) => message.toJSON()['name'])).toEqual([
        'etcd/rpc.proto',
        'etcd/auth.proto',
        'etcd/kv.proto',
      ]);
      // The descriptors rebuild a working schema, and it writes what our codecs read.
      const set = descriptor.FileDescriptorSet.fromObject({ file: file.map((message) => message.toJSON()) });
      const root = protobuf.Root.fromDescriptor(descriptor.FileDescriptorSet.encode(set).finish());
      root.resolveAll();
      const range = root.lookupType('etcdserverpb.RangeResponse');
      const bytes = range.encode(range.fromObject({ kvs: [{ key: Buffer.from('k'), version: 3 }] })).finish();
      expect(etcd.RangeResponse.decode(bytes).kvs[0]).toMatchObject({ key: text('k'), version: 3 });
    });

    test('what is not there', async () => {
      expect(await ask({ case: 'fileContainingSymbol', value: 'no.Such' })).toMatchObject({
        case: 'errorResponse',
        value: { errorCode: RpcCode.NOT_FOUND },
      });
    });
  });
});
