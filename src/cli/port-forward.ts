/** `podium port-forward`: ports of this machine that are a pod's, until Ctrl-C. */
import { createServer, type Server, type Socket } from 'node:net';
import { describeError, systemErrorCode, UserError } from '../base/errors.ts';
import { written } from '../base/written.ts';
import { EXIT_OK, type CliContext } from './context.ts';

export interface PortForwardFlags {
  readonly namespace?: string;
  readonly address?: string;
}

interface Forwarded {
  readonly local: number;
  readonly remote: number;
}

export async function portForward(context: CliContext, words: readonly string[], { namespace = 'default', address = '127.0.0.1' }: PortForwardFlags): Promise<number> {
  const [pod, ...specs] = words;
  if (pod === undefined || specs.length === 0) throw new UserError("error: expected 'port-forward POD [LOCAL_PORT:]REMOTE_PORT...'");
  const target = { namespace, pod: pod.replace(/^(?:pods?|po)\//, '') };
  const ports = specs.map(portsOf);
  const servers: Server[] = [];
  try {
    for (const { local, remote } of ports) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void connect(context, socket, { ...target, port: remote }));
      servers.push(server);
      context.write(`Forwarding from ${address}:${await listen(server, address, local)} -> ${remote}\n`);
    }
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      else context.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return EXIT_OK;
  } finally {
    for (const server of servers) server.close();
  }
}

function portsOf(spec: string): Forwarded {
  const match = /^(?:(\d*):)?(\d+)$/.exec(spec);
  const remote = Number(match?.[2]);
  const local = match?.[1] === undefined ? remote : Number(match[1]);
  if (match === null || remote < 1 || remote > 65_535 || local > 65_535) throw new UserError(`error: invalid ports ${JSON.stringify(spec)}: [LOCAL_PORT:]REMOTE_PORT, each from 1 to 65535`);
  return { local, remote };
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new UserError(`error: cannot listen on ${host}:${port}: ${systemErrorCode(error) ?? error.message}`)));
    server.listen({ host, port }, () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}

async function connect(context: CliContext, socket: Socket, start: { readonly namespace: string; readonly pod: string; readonly port: number }): Promise<void> {
  const call = context.pods.port(context.signal);
  socket.on('error', () => call.cancel());
  socket.on('close', () => call.cancel());
  call.send({ input: { case: 'start', value: start } });
  socket.on('data', (value: Buffer) => {
    if (call.send({ input: { case: 'data', value } })) return;
    socket.pause();
    void call.drained().then(() => socket.resume());
  });
  socket.once('end', () => void call.send({ input: { case: 'end', value: {} } }));
  try {
    for await (const { output } of call.responses) {
      if (output?.case === 'data') await written(socket, output.value);
    }
    socket.end();
  } catch (error) {
    if (!socket.destroyed) context.warn(`an error occurred forwarding to port ${start.port} of pod ${start.pod}: ${describeError(error)}`);
    socket.destroy();
  }
}
