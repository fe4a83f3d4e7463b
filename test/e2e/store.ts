/** The store of a cluster of processes, as an etcd client sees it. */
import { readFileSync } from 'node:fs';
import { fromUtf8 } from '../../src/base/bytes.ts';
import { sleep } from '../../src/base/clock.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { pkiDir, requireCluster } from '../../src/cluster/data-dir.ts';
import { tlsFiles } from '../../src/base/pki.ts';
import { connect, type GrpcChannel } from '../../src/grpc/channel.ts';
import { KV, Maintenance } from '../../src/proto/etcd.ts';

export class StoreProbe {
  readonly #channels: ReadonlyMap<string, GrpcChannel>;

  constructor(dataDir: string) {
    const { caFile, certFile, keyFile } = tlsFiles(pkiDir(dataDir), 'admin');
    const tls = { ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) };
    const members = requireCluster(dataDir).parts.filter(({ name }) => name.startsWith('store-'));
    this.#channels = new Map(members.map(({ name, addresses }) => [name, connect({ addresses: [addresses[0]!], tls })]));
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close();
  }

  /** The member that says that it leads. */
  async leader(): Promise<string> {
    for (const [name, channel] of this.#channels) {
      const status = await channel.unary(Maintenance.methods.status, {}, { timeoutMs: 2_000 }).catch(() => undefined);
      if (status !== undefined && status.leader === status.header?.memberId) return name;
    }
    throw new Error('no member leads');
  }

  /** Writes through `member`; the revision, or the error's message. */
  async put(member: string, key: string, value: string, timeoutMs = 5_000): Promise<number | string> {
    const channel = this.#channels.get(member)!;
    try {
      const answer = await channel.unary(KV.methods.put, { key: fromUtf8(key), value: fromUtf8(value) }, { timeoutMs });
      return answer.header?.revision ?? 0;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Milliseconds until a write through one of `members` is acknowledged. */
  async msToNextWrite(members: readonly string[]): Promise<number> {
    const startedAtMs = systemClock.monotonic();
    for (let attempt = 0; ; attempt++) {
      const outcomes = members.map((member) => this.put(member, `probe-${attempt}`, 'x', 2_000));
      const first = await Promise.any(outcomes.map(async (one) => (typeof (await one) === 'number' ? true : Promise.reject(new Error('refused'))))).catch(
        () => false,
      );
      if (first) return systemClock.monotonic() - startedAtMs;
      if (systemClock.monotonic() - startedAtMs > 30_000) throw new Error('no write was acknowledged within 30 s');
      await sleep(systemClock, 5);
    }
  }
}
