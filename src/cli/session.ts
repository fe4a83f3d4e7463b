/** The context of a verb in a real process: terminal, Ctrl-C, and the API server of the cluster in --data-dir. */
import { systemClock } from '../base/system-clock.ts';
import { ChannelApiClient } from '../client/channel-api-client.ts';
import { isApiServer, requireCluster } from '../cluster/data-dir.ts';
import type { GrpcChannel } from '../grpc/connect-options.ts';
import { connectLean } from '../grpc/lean/lean-channel.ts';
import { Pods } from '../proto/api.ts';
import { UserError } from '../base/errors.ts';
import { adminTls } from './admin.ts';
import type { CliContext, LogRequest } from './context.ts';
import { callError, podCalls } from './pod-calls.ts';

export interface SessionOptions {
  readonly dataDir: string;
  readonly signal: AbortSignal;
}

/** How long to wait for a first connection before saying that nobody answers. */
const CONNECT_TIMEOUT_MS = 3_000;

/** Runs a verb against the cluster and lets go of the connection. */
export async function withSession(options: SessionOptions, run: (context: CliContext) => Promise<number>): Promise<number> {
  const { dataDir, signal } = options;
  // `podium get pods | head`: whoever read has had enough.
  process.stdout.on('error', () => process.exit(0));
  const record = requireCluster(dataDir);
  const addresses = record.parts.filter(isApiServer).flatMap((part) => part.addresses.slice(0, 1));
  if (addresses.length === 0) throw new UserError(`the cluster in ${dataDir} has no API server`);
  const channel = connectLean({ addresses, tls: adminTls(dataDir, record) });
  try {
    await channel.ready(CONNECT_TIMEOUT_MS).catch((cause: unknown) => {
      throw new UserError(
        `The connection to the server ${addresses.join(', ')} was refused - is the cluster up? See \`podium status\` and \`podium up\`.`,
        process.env['PODIUM_DEBUG'] === undefined ? {} : { cause },
      );
    });
    return await run({
      clock: systemClock,
      dataDir,
      api: new ChannelApiClient({ channel, fieldManager: 'podium' }),
      logs: (request, logSignal) => readLogs(channel, request, logSignal),
      pods: podCalls(channel),
      write: (text) => void process.stdout.write(text),
      warn: (line) => {
        if (line !== '') process.stderr.write(`${line}\n`);
      },
      readStdin,
      signal,
      hasColors: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
    });
  } finally {
    channel.close();
  }
}

async function* readLogs(channel: GrpcChannel, request: LogRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const { data } of channel.serverStream(Pods.methods.logs, request, { signal })) yield data;
  } catch (error) {
    if (signal?.aborted === true) return;
    throw callError(error, 'the log cannot be read');
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}
