/**
 * `grpc.health.v1.Health/Check` by hand: an empty request is five zero bytes, and the answer holds one enum. The
 * supervisor and `podium status` need nothing else of gRPC, and its library costs 0.1 s and 15 MB. A probe keeps its
 * connection, and makes a TLS context once, and a session only where something listens: while a cluster starts it asks
 * often, and each of these costs a hundred times a question.
 */
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { TlsFiles } from '../base/pki.ts';

export type Health = 'serving' | 'not-serving' | 'unreachable';

/** What probes show a server of themselves; undefined, with --insecure-local: nothing. */
export type ProbeTls = SecureContext | undefined;

export function probeTls(files: TlsFiles): ProbeTls {
  const { caFile, certFile, keyFile } = files;
  return createSecureContext({ ca: readFileSync(caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) });
}

export class HealthProbe {
  readonly #address: string;
  readonly #tls: ProbeTls;
  #session: ClientHttp2Session | undefined;

  /** Without `tls` it asks in plain text. */
  constructor(address: string, tls: ProbeTls) {
    this.#address = address;
    this.#tls = tls;
  }

  /** What the gRPC server answers within `deadlineMs`. */
  async check(deadlineMs: number): Promise<Health> {
    const session = this.#usable() ?? (await this.#connect(deadlineMs));
    return session === undefined ? 'unreachable' : this.#ask(session, deadlineMs);
  }

  #ask(session: ClientHttp2Session, deadlineMs: number): Promise<Health> {
    return new Promise((resolve) => {
      const finish = (health: Health) => {
        clearTimeout(timer);
        session.off('close', onClose);
        if (health === 'unreachable') this.close();
        resolve(health);
      };
      const onClose = () => finish('unreachable');
      const timer = setTimeout(onClose, deadlineMs);
      session.once('close', onClose);
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: 'POST',
        [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
        [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
        [constants.HTTP2_HEADER_TE]: 'trailers',
      });
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => finish('unreachable'));
      stream.on('end', () => {
        // Frame: one byte of flags, four of length, then the message: field 1, varint; 1 is SERVING.
        const body = Buffer.concat(chunks).subarray(5);
        finish(body[0] === 0x08 && body[1] === 1 ? 'serving' : 'not-serving');
      });
      stream.end(Buffer.alloc(5));
    });
  }

  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  #usable(): ClientHttp2Session | undefined {
    const session = this.#session;
    return session === undefined || session.closed || session.destroyed ? undefined : session;
  }

  /** Undefined where nobody listens. */
  async #connect(deadlineMs: number): Promise<ClientHttp2Session | undefined> {
    const socket = await openSocket(this.#address, deadlineMs);
    if (socket === undefined) return undefined;
    const secureContext = this.#tls;
    const session = connect(`${secureContext === undefined ? 'http' : 'https'}://${this.#address}`, {
      createConnection: () =>
        secureContext === undefined ? socket : connectTls({ socket, secureContext, servername: 'localhost', ALPNProtocols: ['h2'] }),
    });
    // What goes wrong shows as a close.
    session.on('error', () => {});
    this.#session = session;
    return session;
  }
}

function openSocket(address: string, deadlineMs: number): Promise<Socket | undefined> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connectSocket({ host: host!, port: Number(port) });
    const timer = setTimeout(() => socket.destroy(), deadlineMs);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/** Asks once. */
export async function probeHealth(address: string, tls: ProbeTls, deadlineMs: number): Promise<Health> {
  const probe = new HealthProbe(address, tls);
  try {
    return await probe.check(deadlineMs);
  } finally {
    probe.close();
  }
}
