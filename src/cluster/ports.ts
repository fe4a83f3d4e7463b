/** Are the ports free? Asked before anything is started, so that a clash leaves nothing half-started behind. */
import { createServer } from 'node:net';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { holderOfPort } from './processes.ts';

export interface WantedPort {
  readonly port: number;
  /** Such as "clients of store-1". */
  readonly purpose: string;
}

/** The step that the remedy proposes. */
const NEXT_PORT_BASE = 100;

/** Throws a `UserError` that names every taken port, who holds it if that can be seen, and what to do. */
export async function requireFreePorts(wanted: readonly WantedPort[], portBase = 0): Promise<void> {
  const outcomes = await Promise.all(wanted.map(async (one) => ({ ...one, code: await tryPort(one.port) })));
  const taken = outcomes.filter(({ code }) => code !== undefined);
  if (taken.length === 0) return;
  const lines = taken.map(({ port, purpose, code }) => {
    if (code !== 'EADDRINUSE') return `port 127.0.0.1:${port} (${purpose}) cannot be listened on: ${code}`;
    const holder = holderOfPort(port);
    const who = holder === undefined ? 'another process' : `pid ${holder.pid} (${shorten(holder.command)})`;
    return `port 127.0.0.1:${port} (${purpose}) is taken by ${who}`;
  });
  throw new UserError(
    `${lines.join('\n')}\nStop what holds ${taken.length === 1 ? 'it' : 'them'}, or start this cluster beside it: ` +
      `podium up --port-base N adds N to every port, for example ${portBase + NEXT_PORT_BASE}. Nothing was started.`,
  );
}

function tryPort(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(systemErrorCode(error) ?? error.message));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function shorten(command: string): string {
  return command.length > 80 ? `${command.slice(0, 77)}...` : command || 'unknown';
}
