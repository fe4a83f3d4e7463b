/** Asks one probe of a container, over the network of the machine or beside the container. */
import { connect, type Socket } from 'node:net';
import type { Clock, Millis } from '../base/clock.ts';
import { describeError, systemErrorCode } from '../base/errors.ts';
import type { AgentContainer, ExecAction, GrpcAction, HttpGetAction, TcpSocketAction } from './core/pod-spec.ts';
import { checkGrpcHealth } from './grpc-probe.ts';
import { probeHttp } from './http-probe.ts';
import type { Dial } from './proxy.ts';
import type { ContainerId, Runtime } from './runtime/runtime.ts';

export interface ProbeAction {
  readonly exec?: ExecAction;
  readonly httpGet?: HttpGetAction;
  readonly tcpSocket?: TcpSocketAction;
  readonly grpc?: GrpcAction;
}

export interface ProbeTarget {
  readonly ip: string;
  readonly container: AgentContainer;
  readonly containerId: ContainerId;
}

export interface ProbeResult {
  readonly isSuccess: boolean;
  readonly message: string;
  /** Of a success that somebody should know of. */
  readonly warning?: string | undefined;
}

/** Never rejects: whatever goes wrong is an answer. */
export interface Prober {
  probe(action: ProbeAction, target: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult>;
}

/** Says yes to everything: for runtimes without processes. */
export const agreeingProber: Prober = {
  probe: () => Promise.resolve({ isSuccess: true, message: '' }),
};

/** What is shown of an answer's body or a command's output. */
const OUTPUT_SHOWN_MAX = 256;

export class NetworkProber implements Prober {
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  readonly #dial: Dial | undefined;

  /** `dial`: how a pod's address is reached, where that is not this machine's network. */
  constructor(runtime: Runtime, clock: Clock, dial?: Dial) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#dial = dial;
  }

  async probe(action: ProbeAction, target: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult> {
    try {
      if (action.exec !== undefined) return await this.#exec(action.exec, target, timeoutMs);
      if (action.httpGet !== undefined) return await this.#http(action.httpGet, target, timeoutMs);
      if (action.tcpSocket !== undefined) return await this.#tcp(action.tcpSocket, target, timeoutMs);
      if (action.grpc !== undefined) return await this.#grpc(action.grpc, target, timeoutMs);
      return { isSuccess: false, message: 'the probe names no action' };
    } catch (error) {
      return { isSuccess: false, message: describeError(error) };
    }
  }

  async #exec({ command = [] }: ExecAction, { containerId }: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult> {
    const { exitCode, output, timedOut } = await this.#runtime.exec(containerId, command, timeoutMs);
    if (timedOut) return { isSuccess: false, message: `command ${JSON.stringify(command.join(' '))} timed out after ${timeoutMs / 1000}s` };
    return { isSuccess: exitCode === 0, message: output.slice(0, OUTPUT_SHOWN_MAX).trim() };
  }

  /** Undefined: the connection is made by whoever needs one. */
  async #socket(host: string, port: number, timeoutMs: Millis): Promise<Socket | undefined> {
    return this.#dial?.({ host, port, timeoutMs });
  }

  async #http(action: HttpGetAction, target: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult> {
    const port = portOf(action.port, target.container);
    if (port === undefined) return unknownPort(action.port);
    const host = action.host === undefined || action.host === '' ? target.ip : action.host;
    const socket = (to: string, number: number, leftMs: Millis) => this.#socket(to, number, leftMs);
    return probeHttp({ action, host, port, clock: this.#clock, timeoutMs, socket });
  }

  async #grpc({ port, service = '' }: GrpcAction, { ip }: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult> {
    const socket = await this.#socket(ip, port, timeoutMs);
    await checkGrpcHealth({ authority: `${ip}:${port}`, service, socket, clock: this.#clock, timeoutMs });
    return { isSuccess: true, message: '' };
  }

  async #tcp({ port, host }: TcpSocketAction, target: ProbeTarget, timeoutMs: Millis): Promise<ProbeResult> {
    const number = portOf(port, target.container);
    if (number === undefined) return unknownPort(port);
    const to = host === undefined || host === '' ? target.ip : host;
    try {
      const dialled = await this.#socket(to, number, timeoutMs);
      dialled?.destroy();
      if (dialled !== undefined) return { isSuccess: true, message: '' };
    } catch (error) {
      return { isSuccess: false, message: `dial tcp ${to}:${number}: ${whyNotDialled(error)}` };
    }
    return new Promise((done) => {
      const socket = connect({ host: to, port: number });
      const finish = (result: ProbeResult) => {
        timer.cancel();
        socket.destroy();
        done(result);
      };
      const timer = this.#clock.setTimer(timeoutMs, () => {
        finish({ isSuccess: false, message: `dial tcp ${to}:${number}: i/o timeout` });
      });
      socket.on('error', (error) => finish({ isSuccess: false, message: `dial tcp ${to}:${number}: ${whyNotDialled(error)}` }));
      socket.on('connect', () => finish({ isSuccess: true, message: '' }));
    });
  }
}

function whyNotDialled(error: unknown): string {
  return systemErrorCode(error) === 'ECONNREFUSED' ? 'connect: connection refused' : describeError(error);
}

function portOf(port: number | string, container: AgentContainer): number | undefined {
  if (typeof port === 'number') return port;
  return container.ports?.find(({ name }) => name === port)?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : undefined);
}

function unknownPort(port: number | string): ProbeResult {
  return { isSuccess: false, message: `couldn't find port: ${JSON.stringify(port)}` };
}
