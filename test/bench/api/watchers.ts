/**
 * A process of watchers, forked by `watches.ts`: so many watches on so many connections, of which nothing is parsed but
 * the time that each event carries. Events are counted by how late they came, in tenths of a millisecond.
 */
import { AT, AT_DIGITS, monotonicMicros } from './objects.ts';
import { RawHttp2 } from './raw-http2.ts';

export interface WatchersOrder {
  readonly port: number;
  readonly path: string;
  readonly watches: number;
  readonly connections: number;
}

export interface WatchersReport {
  readonly events: number;
  /** Of the watcher that has seen the least. */
  readonly least: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly cpuMs: number;
  readonly failure: string;
}

export type WatchersMessage = { readonly open: true } | { readonly report: WatchersReport };

const BUCKETS = 600_000;
const BUCKETS_A_MS = 10;
const MARK = Buffer.from(AT);
/** Connections that are being opened at a time. */
const CONNECTING_MAX = 20;

const late = new Uint32Array(BUCKETS);
const counts: number[] = [];
let failure = '';

/** Looks for the times in what arrives; what could be the begin of one waits for the rest. */
function reader(number: number): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  counts[number] = 0;
  return (bytes) => {
    const now = monotonicMicros();
    const input = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let from = 0;
    for (;;) {
      const at = input.indexOf(MARK, from);
      const end = at + MARK.length + AT_DIGITS;
      if (at < 0 || end > input.length) {
        const keep = at >= 0 ? at : Math.max(from, input.length - MARK.length + 1);
        rest = Buffer.from(input.subarray(keep));
        return;
      }
      let sentAt = 0;
      for (let digit = at + MARK.length; digit < end; digit++) sentAt = sentAt * 10 + input[digit]! - 48;
      counts[number]!++;
      late[Math.min(BUCKETS - 1, Math.max(0, Math.floor(((now - sentAt) * BUCKETS_A_MS) / 1000)))]!++;
      from = end;
    }
  };
}

async function open({ port, path, watches, connections }: WatchersOrder): Promise<void> {
  const each = watches / connections;
  for (let first = 0; first < connections; first += CONNECTING_MAX) {
    const clients = await Promise.all(Array.from({ length: Math.min(CONNECTING_MAX, connections - first) }, () => RawHttp2.connect(port)));
    await Promise.all(
      clients.flatMap((client, at) =>
        Array.from({ length: each }, (_, stream) => {
          const onEnd = (error?: Error) => (failure ||= `a watch has ended: ${error?.message ?? ''}`);
          return new Promise<void>((resolve) => client.get(path, { onHeaders: resolve, onData: reader((first + at) * each + stream), onEnd }));
        }),
      ),
    );
  }
}

function report(): WatchersReport {
  const events = counts.reduce((sum, count) => sum + count, 0);
  const quantile = (share: number) => {
    let left = Math.ceil(events * share);
    const bucket = late.findIndex((count) => (left -= count) <= 0);
    return (bucket + 1) / BUCKETS_A_MS;
  };
  const { user, system } = process.cpuUsage();
  const least = counts.reduce((fewest, count) => Math.min(fewest, count), Infinity);
  return { events, least, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: quantile(1), cpuMs: (user + system) / 1000, failure };
}

function send(message: WatchersMessage): void {
  process.send?.(message);
}

process.on('message', (message: WatchersOrder | 'report' | 'clear') => {
  if (message === 'report') send({ report: report() });
  else if (message === 'clear') {
    late.fill(0);
    counts.fill(0);
  } else void open(message).then(() => send({ open: true }));
});
process.on('disconnect', () => process.exit(0));
