/** Messages that grpc-js compresses, both ways; what we send is never compressed. */
import * as grpc from '@grpc/grpc-js';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { decompress } from '../../../src/grpc/lean/compression.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import * as etcd from '../../../src/proto/etcd.ts';
import { bind, RpcCode } from '../../../src/proto/rpc.ts';

const { put } = etcd.KV.methods;
const LARGE = new Uint8Array(100_000).fill(7);
/** By their numbers: the type is a const enum, which is not to be had. */
const algorithms = [['identity', 0], ['deflate', 1], ['gzip', 2]] as const;

test.each(algorithms)('requests of a client of grpc-js: %s', async (_, algorithm) => {
  const seen: number[] = [];
  const handlers = {
    put: ({ value }: { value: Uint8Array }) => {
      seen.push(value.length, value.at(-1) ?? -1);
      return { header: { revision: 7 } };
    },
  };
  const server = new LeanServer({ log: silentLog, services: [bind(etcd.KV, handlers)] });
  onTestFinished(() => server.stop(0));
  const [port] = await server.listen(['127.0.0.1:0']);
  const options = { 'grpc.default_compression_algorithm': algorithm };
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), options);
  onTestFinished(() => client.close());
  const answer = await new Promise<etcd.PutResponse>((resolve, reject) => {
    const encode = (value: Uint8Array) => Buffer.from(put.request.encode({ value }));
    client.makeUnaryRequest(put.path, encode, (bytes) => put.response.decode(bytes), LARGE, (error, value) => {
      if (error === null) resolve(value!);
      else reject(error);
    });
  });
  expect(answer.header?.revision).toBe(7);
  expect(seen).toEqual([100_000, 7]);
});

test.each(algorithms)('answers of a server of grpc-js: %s', async (_, algorithm) => {
  const server = new grpc.Server({ 'grpc.default_compression_algorithm': algorithm });
  const definition = {
    path: put.path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (value: Uint8Array) => Buffer.from(put.response.encode({ prevKv: { value } })),
    responseDeserialize: (bytes: Buffer) => bytes,
  };
  server.addService({ put: definition }, { put: (_call: unknown, answer: grpc.sendUnaryData<Uint8Array>) => answer(null, LARGE) });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  onTestFinished(() => server.forceShutdown());
  const channel = connectLean({ addresses: [`127.0.0.1:${port}`] });
  onTestFinished(() => channel.close());
  const { prevKv } = await channel.unary(put, {}, { timeoutMs: 5_000 });
  expect([prevKv?.value.length, prevKv?.value.at(-1)]).toEqual([100_000, 7]);
});

test('a message that unpacks to more than is allowed is refused, however small it is', () => {
  const bomb = gzipSync(Buffer.alloc(100_000_000));
  expect(bomb.length).toBeLessThan(100_000);
  const startedAt = process.memoryUsage().rss;
  expect(() => decompress(bomb, 'gzip', 1_000_000)).toThrow(expect.objectContaining({ code: RpcCode.RESOURCE_EXHAUSTED }));
  expect(process.memoryUsage().rss - startedAt).toBeLessThan(32 * 1024 * 1024);
  expect(() => decompress(Buffer.from('none'), 'gzip', 1_000)).toThrow(expect.objectContaining({ code: RpcCode.INTERNAL }));
});
