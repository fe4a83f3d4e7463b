/** Reads /metrics of a store's member, from the port that it serves its clients on. */
import { Agent, request as plainRequest, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { ClientTls } from './admin.ts';

/** An etcd's are some 200 KiB. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export class MetricsReader {
  readonly #url: string;
  readonly #agent: Agent | SecureAgent;

  constructor(address: string, tls: ClientTls | undefined) {
    this.#url = `${tls === undefined ? 'http' : 'https'}://${address}/metrics`;
    this.#agent = tls === undefined ? new Agent({ keepAlive: true }) : new SecureAgent({ keepAlive: true, ...secureOptions(tls) });
  }

  /** Rejects with what the system says, or with what was answered. */
  async read(signal: AbortSignal): Promise<string> {
    const response = await this.#get(signal);
    if (response.statusCode !== 200) {
      response.resume();
      throw new Error(`/metrics was answered with HTTP ${response.statusCode}`);
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES_MAX) throw new Error(`/metrics is longer than ${BODY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  close(): void {
    this.#agent.destroy();
  }

  #get(signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const send = this.#agent instanceof SecureAgent ? secureRequest : plainRequest;
      send(this.#url, { agent: this.#agent, signal }).once('response', resolve).once('error', reject).end();
    });
  }
}

function secureOptions({ ca, cert, key }: ClientTls) {
  const identity = cert === undefined || key === undefined ? {} : { cert: Buffer.from(cert), key: Buffer.from(key) };
  return { ca: Buffer.from(ca), ...identity };
}
