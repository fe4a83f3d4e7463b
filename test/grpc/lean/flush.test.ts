/** When what was said leaves: at the end of a turn, or at once where that is asked for. */
import { Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { connectLean } from '../../../src/grpc/lean/lean-channel.ts';
import { LeanServer } from '../../../src/grpc/lean/lean-server.ts';
import * as etcd from '../../../src/proto/etcd.ts';
import { bind } from '../../../src/proto/rpc.ts';

test('messages of one turn leave together, those before flush() within it', async () => {
  const heard: bigint[] = [];
  const leaseKeepAlive = async function* (requests: AsyncIterable<{ readonly id: bigint }>) {
    for await (const { id } of requests) {
      heard.push(id);
      yield { id };
    }
  };
  const server = new LeanServer({ log: silentLog, services: [bind(etcd.Lease, { leaseKeepAlive })] });
  const [port] = await server.listen(['127.0.0.1:0']);
  onTestFinished(() => server.stop(0));
  const channel = connectLean({ addresses: [`127.0.0.1:${port}`] });
  onTestFinished(() => channel.close());
  const call = channel.bidi(etcd.Lease.methods.leaseKeepAlive);
  const answers = call.responses[Symbol.asyncIterator]();
  call.flush?.(); // before there is a connection: nothing leaves, nothing is lost
  call.send({ id: 1n });
  expect((await answers.next()).value?.id).toBe(1n);

  const written = vi.spyOn(Socket.prototype, 'write');
  onTestFinished(() => written.mockRestore());
  call.send({ id: 2n });
  call.send({ id: 3n });
  expect(written).toHaveBeenCalledTimes(0);
  call.flush?.();
  expect(written).toHaveBeenCalledTimes(1);
  call.send({ id: 4n });
  expect(written).toHaveBeenCalledTimes(1);
  for (const id of [2n, 3n, 4n]) expect((await answers.next()).value?.id).toBe(id);
  expect(heard).toEqual([1n, 2n, 3n, 4n]);
  channel.close();
  call.flush?.(); // behind the end
});
