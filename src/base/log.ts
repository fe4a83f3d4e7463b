/**
 * Structured logs by pino, for shells only; cores return trace events. A message is constant text, facts are fields.
 * One key per concept:
 *   part, member, peer, node, term, index, commit, revision, lease, watcher, rpc, code,
 *   kind, namespace, name, uid, resourceVersion, key, pod, container, image, address, pid, durationMs, error
 */
import pino from 'pino';

export interface Log {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
  child(facts: object): Log;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Logs JSON lines to `stderr`, `stdout` or files. Synchronous, so that nothing is lost on SIGKILL. */
export function createLog(part: string, level: LogLevel = 'info', outputs: readonly string[] = ['stderr']): Log {
  const streams = outputs.map((output) => {
    const dest = output === 'stderr' ? 2 : output === 'stdout' ? 1 : output;
    return { level: 'trace' as const, stream: pino.destination({ dest, sync: true, mkdir: true }) };
  });
  const [first] = streams;
  const destination = streams.length === 1 && first !== undefined ? first.stream : pino.multistream(streams);
  return pino(
    {
      base: { part },
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    destination,
  );
}

export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
