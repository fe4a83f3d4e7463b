/**
 * Asks other DNS servers what the cluster's does not know: in their order, the next one where one does not answer in time.
 * The same question of several clients is asked once: so a server that sends it back to us is found out by its timeout,
 * and not by a flood. Answers are taken from where they were asked for, to the question that was asked, and nothing else.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock, Millis } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { decodeMessage, DnsFormatError, encodeMessage, lowerName, MESSAGE_BYTES_MAX, Rcode, type Message, type Question } from '../core/dns-message.ts';
import { UDP_BYTES_MAX } from '../core/dns-answer.ts';

export interface UpstreamServer {
  readonly address: string;
  readonly port: number;
}

export interface DnsUpstreamOptions {
  readonly servers: readonly UpstreamServer[];
  readonly clock: Clock;
  readonly random: Random;
  /** For one server. */
  readonly timeoutMs?: Millis;
  readonly outstandingMax?: number;
}

const TIMEOUT_MS = 2_000;
const OUTSTANDING_MAX = 1_000;
/** Each server is asked so often, all of them before one a second time. */
const ROUNDS = 2;

export class DnsUpstream {
  readonly #options: DnsUpstreamOptions;
  readonly #outstanding = new Map<string, Promise<Message | undefined>>();
  readonly #cancels = new Set<() => void>();
  #isClosed = false;

  constructor(options: DnsUpstreamOptions) {
    this.#options = options;
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** undefined: nobody answered, or too many questions are under way. */
  ask(question: Question, transport: 'udp' | 'tcp'): Promise<Message | undefined> {
    const key = `${transport} ${question.type} ${question.class} ${lowerName(question.name).map((label) => `${label.length}.${label}`).join('')}`;
    const known = this.#outstanding.get(key);
    if (known !== undefined) return known;
    if (this.#outstanding.size >= (this.#options.outstandingMax ?? OUTSTANDING_MAX) || this.#isClosed) return Promise.resolve(undefined);
    const asked = this.#askAll(question, transport).finally(() => this.#outstanding.delete(key));
    this.#outstanding.set(key, asked);
    return asked;
  }

  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#cancels) cancel();
  }

  async #askAll(question: Question, transport: 'udp' | 'tcp'): Promise<Message | undefined> {
    let last: Message | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of this.#options.servers) {
        if (this.#isClosed) return undefined;
        const message = await this.#askOne(server, question, transport);
        last = message ?? last;
        if (message !== undefined && (message.rcode === Rcode.NOERROR || message.rcode === Rcode.NXDOMAIN)) return message;
      }
      // Who answers, if only that he will not, has been asked often enough.
      if (last !== undefined) return last;
    }
    return last;
  }

  #askOne(server: UpstreamServer, question: Question, transport: 'udp' | 'tcp'): Promise<Message | undefined> {
    const { clock, random, timeoutMs = TIMEOUT_MS } = this.#options;
    const id = random.below(0x1_0000);
    const bytes = encodeMessage(queryOf(id, question), MESSAGE_BYTES_MAX);
    return new Promise((resolve) => {
      let isDone = false;
      const settle = (message: Message | undefined) => {
        if (isDone) return;
        isDone = true;
        timer.cancel();
        this.#cancels.delete(cancel);
        end();
        resolve(message);
      };
      const cancel = () => settle(undefined);
      const timer = clock.setTimer(timeoutMs, cancel);
      this.#cancels.add(cancel);
      // What is no answer to this is passed over: somebody may guess.
      const take = (answer: Uint8Array) => {
        const message = answerTo(answer, id, question);
        if (message !== undefined) settle(message);
      };
      const end = transport === 'udp' ? overUdp(server, bytes, take, cancel) : overTcp(server, bytes, take, cancel);
    });
  }
}

function queryOf(id: number, question: Question): Message {
  return {
    id,
    isResponse: false,
    opcode: 0,
    isAuthoritative: false,
    isTruncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    rcode: 0,
    questions: [question],
    answers: [],
    authorities: [],
    additionals: [],
    edns: { udpBytes: UDP_BYTES_MAX, version: 0 },
  };
}

function answerTo(bytes: Uint8Array, id: number, question: Question): Message | undefined {
  try {
    const message = decodeMessage(bytes);
    const [asked] = message.questions;
    if (!message.isResponse || message.id !== id || asked === undefined) return undefined;
    const isSame = asked.type === question.type && lowerName(asked.name).join('\0') === lowerName(question.name).join('\0');
    return isSame ? message : undefined;
  } catch (error) {
    if (error instanceof DnsFormatError) return undefined;
    throw error;
  }
}

/** Connected, so that the kernel takes nothing from elsewhere; from a port of its own each time. */
function overUdp({ address, port }: UpstreamServer, query: Uint8Array, take: (bytes: Uint8Array) => void, fail: () => void): () => void {
  const socket = createSocket('udp4');
  let isOpen = true;
  socket.on('error', fail);
  socket.on('message', take);
  // Where there is no route it is this callback that hears of it, and not 'error'. Its type does not say so.
  const onConnected = (error?: Error | null) => {
    if (error) fail();
    else if (isOpen) socket.send(query);
  };
  socket.connect(port, address, onConnected);
  return () => {
    isOpen = false;
    socket.close();
  };
}

function overTcp({ address, port }: UpstreamServer, query: Uint8Array, take: (bytes: Uint8Array) => void, fail: () => void): () => void {
  const socket = connect({ host: address, port });
  let received = Buffer.alloc(0);
  socket.on('error', fail);
  socket.on('close', fail);
  socket.on('connect', () => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (received.length < 2 + length) return;
    take(received.subarray(2, 2 + length));
    // One question, one answer: what else may come is nothing that was asked for.
    fail();
  });
  return () => socket.destroy();
}
