/** A thousand watchers of one kind that changes two hundred times a second. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { sleep } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { findTool } from '../../processes.ts';
import { cpuMsOf, peakRssOf, resetPeakRss } from '../memory.ts';
import { percentile } from '../report.ts';
import { AT, AT_DIGITS, atNow, watchedObject } from './objects.ts';
import { TOKEN, type Subject } from './subjects.ts';

export interface WatchLoad {
  readonly watches: number;
  readonly connections: number;
  readonly changesPerSecond: number;
  readonly seconds: number;
}

/** Of test/clients/watchers, which has the watches. */
interface WatchersReport {
  readonly events: number;
  /** Of the watcher that has seen the least. */
  readonly least: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly cpuMs: number;
  readonly failure: string;
}

export interface WatchResult extends WatchersReport {
  /** As it was kept. */
  readonly changesPerSecond: number;
  /** Of the API server, at its most. */
  readonly rssMiB: number;
  /** Of a core that the API server used, and what the watchers' process did. */
  readonly cpuShare: number;
  readonly cpuMsAThousand: number;
  readonly watchersCpuShare: number;
  readonly writeP50Ms: number;
}

export const WATCHED = 'watched';
const OBJECTS = 100;
const PATH = `/api/v1/namespaces/${WATCHED}/configmaps`;
/** What is sent before anything counts. */
const WARM_UP_SECONDS = 1;
/** A server that cannot keep the pace is not asked for more: its rate says so. */
const WRITES_MAX = 50;
const DELIVERED_TIMEOUT_MS = 30_000;

export async function prepareWatched(subject: Subject): Promise<void> {
  await subject.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: WATCHED } });
  for (let at = 0; at < OBJECTS; at++) await subject.create(PATH, watchedObject(`w${at}`));
}

export async function watchRound(subject: Subject, { watches, connections, changesPerSecond, seconds }: WatchLoad): Promise<WatchResult> {
  const { text } = await subject.request('GET', `/api/v1/configmaps?limit=1`);
  const revision = /"resourceVersion":\s*"(\d+)"/.exec(text)?.[1];
  if (revision === undefined) throw new Error(`no list: ${text}`);
  const watchers = new Watchers();
  try {
    await watchers.open({ port: subject.port, path: `/api/v1/configmaps?watch=1&resourceVersion=${revision}`, watches, connections });
    const warmUp = changesPerSecond * WARM_UP_SECONDS;
    await change(subject, { count: warmUp, perSecond: changesPerSecond });
    const before = await watchers.delivered(warmUp);
    await watchers.clear();
    resetPeakRss(subject.pid);
    const [cpu, startedAt] = [cpuMsOf(subject.pid), systemClock.monotonic()];
    const count = changesPerSecond * seconds;
    const writesMs = await change(subject, { count, perSecond: changesPerSecond });
    const changesPerSecondDone = count / ((systemClock.monotonic() - startedAt) / 1000);
    const report = await watchers.delivered(count);
    const ms = systemClock.monotonic() - startedAt;
    if (report.events !== count * watches) throw new Error(`${subject.name}: ${report.events} events for ${count} changes and ${watches} watchers`);
    const cpuMs = cpuMsOf(subject.pid) - cpu;
    return {
      ...report,
      changesPerSecond: changesPerSecondDone,
      rssMiB: peakRssOf(subject.pid),
      cpuShare: cpuMs / ms,
      cpuMsAThousand: cpuMs / (report.events / 1000),
      watchersCpuShare: (report.cpuMs - before.cpuMs) / ms,
      writeP50Ms: percentile(writesMs, 0.5),
    };
  } finally {
    watchers.stop();
  }
}

/** At an even pace, however long each takes, as long as not too many are under way; answers how long each took. */
async function change(subject: Subject, { count, perSecond }: { readonly count: number; readonly perSecond: number }): Promise<number[]> {
  const startedAt = systemClock.monotonic();
  const writes: Promise<number>[] = [];
  let underWay = 0;
  const write = async (object: number) => {
    underWay++;
    const ms = await writeOnce(subject, object);
    underWay--;
    return ms;
  };
  while (writes.length < count) {
    const due = Math.min(count, Math.floor(((systemClock.monotonic() - startedAt) * perSecond) / 1000) + 1);
    while (writes.length < due && underWay < WRITES_MAX) writes.push(write(writes.length % OBJECTS));
    await sleep(systemClock, 2);
  }
  return Promise.all(writes);
}

async function writeOnce(subject: Subject, object: number): Promise<number> {
  const sentAt = systemClock.monotonic();
  const { status, text } = await subject.request('PATCH', `${PATH}/w${object}`, { data: { at: atNow() } }, 'application/merge-patch+json');
  if (status !== 200) throw new Error(`${subject.name}: a change was refused: ${status} ${text}`);
  return systemClock.monotonic() - sentAt;
}

class Watchers {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  constructor() {
    const program = findTool('watchers');
    if (program === undefined) throw new Error('there is no program of watchers: run .ci/install-test-clients');
    this.#child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface(this.#child.stdout);
  }

  async open(order: { readonly port: number; readonly path: string; readonly watches: number; readonly connections: number }): Promise<void> {
    await this.#ask({ do: 'open', token: TOKEN, mark: AT, digits: AT_DIGITS, ...order });
  }

  async clear(): Promise<void> {
    await this.#ask({ do: 'clear' });
  }

  /** Resolves when every watcher has had so many events. */
  async delivered(count: number): Promise<WatchersReport> {
    const deadline = systemClock.monotonic() + DELIVERED_TIMEOUT_MS;
    for (;;) {
      const report = await this.#ask({ do: 'report' });
      if (report.least >= count) return report;
      if (systemClock.monotonic() > deadline) throw new Error(`a watcher has had ${report.least} of ${count} events`);
      await sleep(systemClock, 100);
    }
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(order: object): Promise<WatchersReport> {
    return new Promise((resolve, reject) => {
      const onEnd = () => reject(new Error('the watchers ended'));
      this.#lines.once('close', onEnd);
      this.#lines.once('line', (line) => {
        this.#lines.off('close', onEnd);
        const report = JSON.parse(line) as WatchersReport; // its own program writes no other
        if (report.failure === '') resolve(report);
        else reject(new Error(report.failure));
      });
      this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    });
  }
}
