/** A terminal before an API server in the same process: what is typed, what is shown. */
import { resolve } from 'node:path';
import { ChannelApiClient } from '../../src/client/channel-api-client.ts';
import { explain } from '../../src/cli/errors.ts';
import { podCalls } from '../../src/cli/pod-calls.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { DrivenClock } from '../../src/base/driven-clock.ts';
import { directChannel } from '../../src/proto/direct-channel.ts';
import { quiet, startServer, type Fixture } from '../api/fixture.ts';

export interface Terminal extends Fixture {
  readonly client: ChannelApiClient;
  /** The exit code (if not 0), then what was written to both streams, in order. */
  run(line: string, stdin?: string): Promise<string>;
  /** Starts a command that goes on; `shown` grows, `stop` is Ctrl-C. */
  start(line: string): { shown(): string; stop(): Promise<string> };
}

const STEP_MS = 25;
const DEADLINE_MS = 120_000;

/** Loading a file takes real time, of which a driven clock knows nothing. */
const verbs = ['get', 'describe', 'apply', 'delete', 'logs', 'scale', 'rollout', 'events', 'drain', 'capacity'];

export async function openTerminal(): Promise<Terminal> {
  await Promise.all(verbs.map((verb) => import(`../../src/cli/${verb}.ts`)));
  const fixture = await startServer();
  const channel = directChannel({ services: fixture.server.services, clock: fixture.clock, log: quiet });
  const client = new ChannelApiClient({ channel, fieldManager: 'podium' });
  const launch = (line: string, stdin: string, interrupt: AbortController) => {
    const out: string[] = [];
    let exitCode: number | undefined;
    const argv = line.split(' ').filter((word) => word !== '');
    const outcome = runProgram(argv, {
      version: '0.0.0',
      part: () => Promise.reject(new Error('no part in this test')),
      session: (dataDir, run) => {
        if (dataDir !== resolve('.podium')) throw new Error(`not the default data directory: ${dataDir}`);
        return run({
          clock: fixture.clock,
          dataDir,
          api: client,
          logs: async function* ({ name, container, follow }) {
            yield Buffer.from(`${name}/${container}: one\n${name}/${container}: tw`);
            yield Buffer.from(follow ? 'o, followed\n' : 'o\n');
          },
          pods: podCalls(channel),
          write: (text) => out.push(typeof text === 'string' ? text : Buffer.from(text).toString()),
          warn: (text) => out.push(text === '' ? '' : `${text}\n`),
          readStdin: () => Promise.resolve(stdin),
          signal: interrupt.signal,
          hasColors: false,
        });
      },
    })
      .catch((error: unknown) => {
        const message = explain(error);
        if (message !== undefined) out.push(`${message}\n`);
        return 1;
      })
      .then((code) => (exitCode = code));
    const shown = () => out.join('');
    return { outcome, shown, isDone: () => exitCode !== undefined };
  };
  return {
    ...fixture,
    client,
    run: async (line, stdin = '') => {
      const { outcome, shown, isDone } = launch(line, stdin, new AbortController());
      await drive(fixture.clock, isDone, line);
      const exitCode = await outcome;
      return (exitCode === 0 ? '' : `exit ${exitCode}\n`) + shown();
    },
    start: (line) => {
      const interrupt = new AbortController();
      const { outcome, shown, isDone } = launch(line, '', interrupt);
      return {
        shown,
        stop: async () => {
          interrupt.abort();
          await drive(fixture.clock, isDone, line);
          await outcome;
          return shown();
        },
      };
    },
  };
}

async function drive(clock: DrivenClock, isDone: () => boolean, what: string): Promise<void> {
  const startedAtMs = clock.monotonic();
  while (!isDone()) {
    await clock.advance(STEP_MS);
    if (clock.monotonic() - startedAtMs > DEADLINE_MS) throw new Error(`podium ${what}: not done in ${DEADLINE_MS} ms of driven time`);
  }
}
