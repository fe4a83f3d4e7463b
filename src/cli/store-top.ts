/** `podium store top`: asks the members again and again and shows what they do, on a screen, as a table, or as JSON. */
import { sleep, type Millis } from '../base/clock.ts';
import { AbortedError, describeError, systemErrorCode, UserError } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import type { Member } from '../proto/etcd.ts';
import { RpcCode, RpcError } from '../proto/rpc.ts';
import { EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import { painted } from './core/fitted-table.ts';
import { parseMetrics } from './core/prometheus.ts';
import { topJson } from './core/store-top-json.ts';
import { renderTop } from './core/store-top-table.ts';
import { MemberHistory, memberNames, type MemberView } from './core/store-top.ts';
import { MetricsReader } from './metrics-reader.ts';
import { parseOwnFlags } from './own-flags.ts';
import { paint } from './paint.ts';
import { openScreen } from './screen.ts';
import { openEndpoints, withEtcdctlVariables, type Endpoints } from './store-endpoints.ts';

export const TOP_HELP = `What the members of a store do, live: role, progress, sync times, requests, memory; and how far the leader's followers are.

Usage: podium store top [flags]

  --endpoints <list>     the members, host:port, separated by commas; of Podium or of an etcd
                         (default: $ETCDCTL_ENDPOINTS, which \`podium env\` sets; else the local cluster's)
  --data-dir <dir>       the local cluster's data directory (default: $PODIUM_DATA_DIR, else .podium)
  --cacert <file>        TLS: the CA of the members                (default: $ETCDCTL_CACERT)
  --cert, --key <file>   TLS: the certificate to show, and its key (default: $ETCDCTL_CERT, $ETCDCTL_KEY)
  --interval <time>      how often to ask, at least 100ms (default 1s)
  --once                 ask twice, print one table, and end; so it is, too, where standard output is no terminal
  -o, --output json      the same as JSON, and end

q or Ctrl-C ends it. With --once and -o json the exit code is 0 only if every member answered.

Columns: LOG is the entries that the log holds, WAL its files. SYNC P50 and P99 are how long it took to make the log
durable, over the last ten intervals. PUTS/S counts what a member applied, READS/S what it was asked itself. LAG is the
entries that a follower is not known to have. "-" is what a member does not tell.

Examples:
  podium store top
  podium store top --endpoints 127.0.0.1:2379,127.0.0.1:2381
  podium store top --once -o json | jq '.members[] | select(.role == "leader")'
`;

const OPTIONS = {
  endpoints: { type: 'string' },
  'data-dir': { type: 'string' },
  cacert: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  interval: { type: 'string', default: '1s' },
  once: { type: 'boolean', default: false },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const INTERVAL_MIN_MS = 100;
const INTERVAL_MAX_MS = 3_600_000;
/** A member that does not answer within it is shown as one that does not; the others do not wait for it. */
const ANSWER_TIMEOUT_MS = 2_000;

export async function storeTop(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const flags = parseOwnFlags('podium store top', { args: argv, options: OPTIONS });
  if (flags.help) {
    process.stdout.write(TOP_HELP);
    return EXIT_OK;
  }
  const intervalMs = parseDuration(flags.interval);
  if (intervalMs === undefined || intervalMs < INTERVAL_MIN_MS || intervalMs > INTERVAL_MAX_MS) {
    throw new UserError(`--interval must be from 100ms to 1h, not ${JSON.stringify(flags.interval)}`);
  }
  if (flags.output !== undefined && flags.output !== 'json') throw new UserError(`--output must be json, not ${JSON.stringify(flags.output)}`);
  const endpoints = openEndpoints(withEtcdctlVariables({ ...flags, dataDir: flags['data-dir'] }, process.env));
  const watched = new WatchedStore(endpoints);
  try {
    const isLive = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && !flags.once && flags.output === undefined;
    if (!isLive) return await printOnce(watched, { intervalMs, isJson: flags.output === 'json', signal });
    await showLive(watched, { intervalMs, title: `podium store top   every ${flags.interval}   q ends   ${endpoints.addresses.join(', ')}`, signal });
    return EXIT_OK;
  } finally {
    watched.close();
    endpoints.close();
  }
}

interface Run {
  readonly intervalMs: Millis;
  readonly signal: AbortSignal;
}

async function printOnce(watched: WatchedStore, { intervalMs, isJson, signal }: Run & { readonly isJson: boolean }): Promise<number> {
  await Promise.all([watched.askAll(signal), watched.askNames(signal)]);
  await sleep(systemClock, intervalMs, signal);
  await watched.askAll(signal);
  signal.throwIfAborted();
  const { views: members, names } = watched;
  const width = process.stdout.isTTY === true ? process.stdout.columns || Infinity : Infinity;
  if (isJson) process.stdout.write(`${topJson(members, names)}\n`);
  else for (const line of renderTop({ members, names, width, height: Infinity })) process.stdout.write(`${painted(line, paint)}\n`);
  return members.every(({ isUp }) => isUp) ? EXIT_OK : EXIT_FAILED;
}

async function showLive(watched: WatchedStore, { intervalMs, title, signal }: Run & { readonly title: string }): Promise<void> {
  const draw = () => {
    const { width, height } = screen;
    const lines = renderTop({ members: watched.views, names: watched.names, width, height, title });
    screen.show(lines.map((line) => painted(line, paint)));
  };
  const screen = openScreen({ input: process.stdin, output: process.stdout, onResize: () => draw() });
  const over = AbortSignal.any([signal, screen.left]);
  // Each member at its own pace, so that a frozen one holds up nothing.
  const repeat = async (ask: (signal: AbortSignal) => Promise<void>) => {
    for (;;) {
      const startedAt = systemClock.monotonic();
      await ask(over);
      draw();
      await sleep(systemClock, Math.max(0, intervalMs - (systemClock.monotonic() - startedAt)), over);
    }
  };
  try {
    await Promise.all([repeat((until) => watched.askNames(until)), ...watched.members.map((member) => repeat((until) => member.ask(until)))]);
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
  } finally {
    screen.close();
  }
}

class WatchedStore {
  readonly members: readonly WatchedMember[];
  readonly #anyMember: StoreClient;
  #list: readonly Member[] = [];

  constructor(endpoints: Endpoints) {
    const { addresses, tls } = endpoints;
    this.#anyMember = endpoints.client({ requestTimeoutMs: ANSWER_TIMEOUT_MS });
    this.members = addresses.map((address, at) => new WatchedMember(address, endpoints.clientOf(at), new MetricsReader(address, tls)));
  }

  get views(): MemberView[] {
    return this.members.map(({ history }) => history.view());
  }

  get names() {
    return memberNames(this.#list);
  }

  async askAll(signal: AbortSignal): Promise<void> {
    await Promise.all(this.members.map((member) => member.ask(signal)));
  }

  /** Where nobody answers, or only those who prove who they are, ids and endpoints must do. */
  async askNames(signal: AbortSignal): Promise<void> {
    const answer = await this.#anyMember.memberList({ linearizable: false }, { signal }).catch((error: unknown) => {
      if (!(error instanceof RpcError)) throw error;
    });
    if (answer !== undefined) this.#list = answer.members;
  }

  close(): void {
    for (const member of this.members) member.close();
  }
}

class WatchedMember {
  readonly history: MemberHistory;
  readonly #client: StoreClient;
  readonly #metrics: MetricsReader;

  constructor(endpoint: string, client: StoreClient, metrics: MetricsReader) {
    this.history = new MemberHistory(endpoint);
    this.#client = client;
    this.#metrics = metrics;
  }

  async ask(signal: AbortSignal): Promise<void> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    const [status, metrics] = await Promise.allSettled([this.#client.status({ signal, timeoutMs: ANSWER_TIMEOUT_MS }), this.#metrics.read(inTime)]);
    if (status.status === 'fulfilled') {
      const text = metrics.status === 'fulfilled' ? parseMetrics(metrics.value) : reasonOf(metrics.reason);
      this.history.answered({ atMs: systemClock.monotonic(), status: status.value, metrics: text });
    } else {
      // Of a connection that did not come about, the system's own word says more than gRPC's.
      const cause: unknown = metrics.status === 'rejected' && systemErrorCode(metrics.reason) !== undefined ? metrics.reason : status.reason;
      this.history.failed(reasonOf(isTimeout(status.reason) ? status.reason : cause));
    }
  }

  close(): void {
    this.#metrics.close();
  }
}

function reasonOf(error: unknown): string {
  if (isTimeout(error)) return `no answer within ${ANSWER_TIMEOUT_MS / 1000} s`;
  // Where a name has several addresses, the message is empty and the errors are inside.
  if (error instanceof AggregateError) return error.errors.map(describeError).join(', ');
  return error instanceof Error ? error.message : String(error);
}

function isTimeout(error: unknown): boolean {
  return error instanceof RpcError ? error.code === RpcCode.DEADLINE_EXCEEDED : error instanceof Error && error.name === 'AbortError';
}
