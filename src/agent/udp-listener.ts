/**
 * One rule of UDP of the userspace service proxy. What comes from one address and port of a client is a flow: it goes to one
 * target, and what that answers goes back, until nothing was said for a while.
 *
 *   client ─► socket of the rule ─► flow: a socket of its own, connected ─► target
 *
 * - A flow whose target leaves the rule ends: its client's next datagram begins another (what the packet filter does by
 *   forgetting flows). So does one whose target refuses.
 * - Where there are no targets nobody listens: the kernel refuses then, as a packet filter would.
 * - Datagrams may be lost, as they may anywhere: what does not fit in a queue is.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { Clock, Millis, Timer } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { ProxyRule, Target } from './core/proxy-rules.ts';
import { isSameTarget, TargetChoice } from './core/target-choice.ts';

/** A socket that is bound there. */
export type BindUdp = (at: { readonly host: string; readonly port: number }) => Promise<Socket>;

export interface UdpListenerOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where clients send to, if that is not this machine's network. */
  readonly bindUdp?: BindUdp | undefined;
  /** Where targets are, if that is another network; asked for `0.0.0.0`, port 0. */
  readonly dialUdp?: BindUdp | undefined;
  readonly flowIdleMs?: Millis;
  readonly flowsMax?: number;
}

interface Flow {
  readonly target: Target;
  readonly client: { readonly address: string; readonly port: number };
  /** undefined: not there yet, and `waiting` waits for it. */
  socket: Socket | undefined;
  readonly waiting: Buffer[];
  lastMs: Millis;
  timer: Timer | undefined;
  isEnded: boolean;
}

/** What the kernel remembers a flow that was answered for (`nf_conntrack_udp_timeout_stream`). */
const FLOW_IDLE_MS = 120_000;
/** Each has a descriptor; past it the one that has been silent for longest ends. */
const FLOWS_MAX = 500;
/** Of one flow, while its socket is made. */
const WAITING_MAX = 16;
const RETRY_TAKEN_MS = 500;
const RETRY_OTHER_MS = 10_000;

export class UdpListener {
  readonly #options: UdpListenerOptions;
  readonly #choice = new TargetChoice();
  /** By client, the one that has been silent for longest first. */
  readonly #flows = new Map<string, Flow>();
  #rule: ProxyRule;
  #socket: Socket | undefined;
  #isOpening = false;
  #retry: Timer | undefined;
  #isWarned = false;
  #isClosed = false;

  constructor(rule: ProxyRule, options: UdpListenerOptions) {
    this.#rule = rule;
    this.#options = options;
    this.#serve();
  }

  get isListening(): boolean {
    return this.#socket !== undefined;
  }

  set rule(rule: ProxyRule) {
    this.#rule = rule;
    for (const [key, flow] of this.#flows) if (!rule.targets.some((target) => isSameTarget(target, flow.target))) this.#end(key, flow);
    this.#serve();
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    for (const [key, flow] of this.#flows) this.#end(key, flow);
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Listens where there is somebody to pass things on to. */
  #serve(): void {
    if (this.#rule.targets.length === 0) {
      this.#retry?.cancel();
      this.#retry = undefined;
      this.#socket?.close();
      this.#socket = undefined;
    } else if (this.#socket === undefined && !this.#isOpening && this.#retry === undefined) void this.#open();
  }

  async #open(): Promise<void> {
    const { bindUdp = bind } = this.#options;
    const { address: host, port } = this.#rule;
    this.#isOpening = true;
    try {
      const socket = await bindUdp({ host, port });
      socket.on('error', (error) => this.#options.log.debug({ address: this.#rule.key, error: error.message }, 'proxy: socket'));
      if (this.#isClosed) return void socket.close();
      this.#socket = socket;
      socket.on('message', (bytes, { address, port: from }) => this.#received(bytes, { address, port: from }));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isOpening = false;
    }
    // The rule may have lost its targets meanwhile.
    if (!this.#isClosed) this.#serve();
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    const { clock, log } = this.#options;
    const code = systemErrorCode(error);
    const isTaken = code === 'EADDRINUSE';
    if (!isTaken && !this.#isWarned) {
      this.#isWarned = true;
      log.warn({ address: this.#rule.key, service: this.#rule.service, code }, 'proxy: cannot listen');
    }
    this.#retry = clock.setTimer(isTaken ? RETRY_TAKEN_MS : RETRY_OTHER_MS, () => {
      this.#retry = undefined;
      this.#serve();
    });
  }

  // --- flows

  #received(bytes: Buffer, client: Flow['client']): void {
    const key = `${client.address}:${client.port}`;
    const flow = this.#flows.get(key) ?? this.#begin(key, client);
    if (flow === undefined) return;
    this.#touch(key, flow);
    if (flow.socket !== undefined) flow.socket.send(bytes);
    else if (flow.waiting.length < WAITING_MAX) flow.waiting.push(bytes);
  }

  #begin(key: string, client: Flow['client']): Flow | undefined {
    const { clock, flowsMax = FLOWS_MAX } = this.#options;
    const nowMs = clock.monotonic();
    const [target] = this.#choice.candidates(this.#rule, client.address, nowMs);
    if (target === undefined) return undefined;
    this.#choice.remember(this.#rule, client.address, target, nowMs);
    const flow: Flow = { target, client, socket: undefined, waiting: [], lastMs: nowMs, timer: undefined, isEnded: false };
    const [oldest] = this.#flows;
    if (this.#flows.size >= flowsMax && oldest !== undefined) this.#end(...oldest);
    this.#flows.set(key, flow);
    this.#armIdle(key, flow);
    void this.#dial(key, flow);
    return flow;
  }

  async #dial(key: string, flow: Flow): Promise<void> {
    const { dialUdp = bind, log } = this.#options;
    try {
      const socket = await dialUdp({ host: '0.0.0.0', port: 0 });
      if (flow.isEnded) return void socket.close();
      // Its target refuses, or there is no way there: the client's next datagram tries another one.
      socket.on('error', () => this.#end(key, flow));
      socket.on('message', (bytes) => this.#answered(key, flow, bytes));
      const { address, port } = flow.target;
      // Connected: the kernel takes nothing from elsewhere, and tells of refusals.
      const onConnected = (error?: Error | null) => {
        if (flow.isEnded) return void socket.close();
        flow.socket = socket;
        if (error) return this.#end(key, flow);
        for (const bytes of flow.waiting.splice(0)) socket.send(bytes);
      };
      socket.connect(port, address, onConnected);
    } catch (error) {
      log.debug({ address: this.#rule.key, code: systemErrorCode(error) }, 'proxy: no socket for a flow');
      this.#end(key, flow);
    }
  }

  #answered(key: string, flow: Flow, bytes: Buffer): void {
    if (flow.isEnded) return;
    this.#touch(key, flow);
    this.#socket?.send(bytes, flow.client.port, flow.client.address);
  }

  #touch(key: string, flow: Flow): void {
    flow.lastMs = this.#options.clock.monotonic();
    this.#flows.delete(key);
    this.#flows.set(key, flow);
  }

  #armIdle(key: string, flow: Flow): void {
    const { clock, flowIdleMs = FLOW_IDLE_MS } = this.#options;
    const leftMs = flow.lastMs + flowIdleMs - clock.monotonic();
    if (leftMs <= 0) return this.#end(key, flow);
    flow.timer = clock.setTimer(leftMs, () => this.#armIdle(key, flow));
  }

  #end(key: string, flow: Flow): void {
    if (flow.isEnded) return;
    flow.isEnded = true;
    flow.timer?.cancel();
    flow.socket?.close();
    if (this.#flows.get(key) === flow) this.#flows.delete(key);
  }
}

const bind: BindUdp = ({ host, port }) =>
  new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
