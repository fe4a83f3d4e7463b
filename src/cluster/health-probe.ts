/**
 * `grpc.health.v1.Health/Check` by hand: an empty request is five zero bytes, and the answer holds one enum. The
 * supervisor and `podium status` need nothing else of gRPC, and its library costs 0.1 s and 15 MB. A probe keeps its
 * connection: while a cluster starts it asks often, and a handshake costs a hundred times a question.
 */
import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import type { TlsFiles } from './pki.ts';

export type Health = 'serving' | 'not-serving' | 'unreachable';

export class HealthProbe {
  readonly #address: string;
  readonly #tls: TlsFiles | undefined;
  #session: ClientHttp2Session | undefined;

  /** Without `tls` it asks in plain text. */
  constructor(address: string, tls: TlsFiles | undefined) {
    this.#address = address;
    this.#tls = tls;
  }

  /** What the gRPC server answers within `deadlineMs`. */
  check(deadlineMs: number): Promise<Health> {
    return new Promise((resolve) => {
      const session = this.#connect();
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

  #connect(): ClientHttp2Session {
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) return this.#session;
    const tls = this.#tls;
    const session =
      tls === undefined
        ? connect(`http://${this.#address}`)
        : connect(`https://${this.#address}`, {
            ca: readFileSync(tls.caFile),
            cert: readFileSync(tls.certFile),
            key: readFileSync(tls.keyFile),
            servername: 'localhost',
          });
    // What goes wrong shows as a close.
    session.on('error', () => {});
    this.#session = session;
    return session;
  }
}

/** Asks once. */
export async function probeHealth(address: string, tls: TlsFiles | undefined, deadlineMs: number): Promise<Health> {
  const probe = new HealthProbe(address, tls);
  try {
    return await probe.check(deadlineMs);
  } finally {
    probe.close();
  }
}
