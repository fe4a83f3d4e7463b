/** Mutual TLS: who shows no certificate of the cluster's authority is not let in. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { ConnectOptions } from '../../src/grpc/channel.ts';
import type { RunningServer } from '../../src/grpc/server-options.ts';
import { KV } from '../../src/proto/etcd.ts';
import { bind, RpcCode, RpcError } from '../../src/proto/rpc.ts';
import { authority } from './authority.ts';
import { TRANSPORTS } from './transports.ts';

describe.each(TRANSPORTS)('$name', ({ Server, connect }) => {
  let server: RunningServer;
  let port: number;
  let ours: Awaited<ReturnType<typeof authority>>;
  const identities: (string | undefined)[] = [];

  beforeAll(async () => {
    ours = await authority();
    server = new Server({
      log: silentLog,
      services: [
        bind(KV, {
          range: (_, { identity }) => {
            identities.push(identity);
            return { count: 1 };
          },
        }),
      ],
      tls: { ca: ours.ca, ...(await ours.issue('server')), requireClientCertificate: true },
    });
    [port] = (await server.listen(['127.0.0.1:0'])) as [number];
  });
  afterAll(() => server.stop(0));

  async function call(tls: ConnectOptions['tls'], host = '127.0.0.1'): Promise<number> {
    const channel = connect({ addresses: [`${host}:${port}`], tls });
    try {
      await channel.unary(KV.methods.range, {}, { timeoutMs: 5000 });
      return RpcCode.OK;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return error.code;
    } finally {
      channel.close();
    }
  }

  test('a certificate of the authority lets in, and says who it is', async () => {
    expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')) })).toBe(RpcCode.OK);
    expect(identities).toEqual(['node-1']);
  });

  test("without a certificate, with a stranger's, or in plain text nobody gets in", async () => {
    const stranger = await authority();
    expect(await call({ ca: ours.ca })).toBe(RpcCode.UNAVAILABLE);
    expect(await call({ ca: ours.ca, ...(await stranger.issue('node-1')) })).toBe(RpcCode.UNAVAILABLE);
    expect(await call(undefined)).toBe(RpcCode.UNAVAILABLE);
    // And a client does not talk to a server that it cannot trust.
    expect(await call({ ca: stranger.ca, ...(await ours.issue('node-1')) })).toBe(RpcCode.UNAVAILABLE);
    // Nor to one whose certificate is for another address.
    expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')) }, 'localhost')).toBe(RpcCode.UNAVAILABLE);
    expect(await call({ ca: ours.ca, ...(await ours.issue('node-1')), serverName: 'other' })).toBe(RpcCode.UNAVAILABLE);
    expect(identities).toEqual(['node-1']);
  });
});
