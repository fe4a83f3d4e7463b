/**
 * One `grpc.health.v1.Health/Check` by hand: an empty request is five zero bytes, and the answer holds one enum. The
 * supervisor and `podium status` need nothing else of gRPC, and its library costs 0.1 s and 15 MB.
 */
import { readFileSync } from 'node:fs';
import { connect, constants } from 'node:http2';
import type { TlsFiles } from './pki.ts';

export type Health = 'serving' | 'not-serving' | 'unreachable';

/** What a Check call of the gRPC server at `address` answers within `deadlineMs`; without `tls` in plain text. */
export function probeHealth(address: string, tls: TlsFiles | undefined, deadlineMs: number): Promise<Health> {
  return new Promise((resolve) => {
    const session = connect(
      `${tls === undefined ? 'http' : 'https'}://${address}`,
      tls === undefined
        ? {}
        : {
            ca: readFileSync(tls.caFile),
            cert: readFileSync(tls.certFile),
            key: readFileSync(tls.keyFile),
            servername: 'localhost',
          },
    );
    const finish = (health: Health) => {
      clearTimeout(timer);
      session.destroy();
      resolve(health);
    };
    const timer = setTimeout(() => finish('unreachable'), deadlineMs);
    session.on('error', () => finish('unreachable'));
    session.on('close', () => finish('unreachable'));
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
