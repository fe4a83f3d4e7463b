/**
 * Answers balancers at each Service's `healthCheckNodePort` whether this node has endpoints of it (core/service-health.ts).
 * Where nodes share a machine's address the first to take a port answers for itself, as with everything at that address;
 * the next one takes it over within a second of its end.
 */
import { createServer, type Server } from 'node:http';
import type { Clock, Timer } from '../base/clock.ts';
import { systemErrorCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { EndpointSlice, Service } from '../client/objects.ts';
import { healthAnswer, planServiceHealth, type ServiceHealth } from './core/service-health.ts';
import type { ServiceFollower } from './service-follower.ts';

export interface ServiceHealthPortsOptions {
  readonly nodeName: string;
  /** Where NodePorts are listened on, and what is added to them. */
  readonly address: string;
  readonly portBase: number;
  readonly clock: Clock;
  readonly log: Log;
}

const RETRY_TAKEN_MS = 500;
const RETRY_OTHER_MS = 10_000;
const REQUEST_MS = 5_000;
/** Of one port; past it new ones are refused. */
const CONNECTIONS_MAX = 64;

export class ServiceHealthPorts implements ServiceFollower {
  readonly #options: ServiceHealthPortsOptions;
  readonly #ports = new Map<number, HealthPort>();

  constructor(options: ServiceHealthPortsOptions) {
    this.#options = options;
  }

  update(services: readonly Service[], slices: readonly EndpointSlice[]): void {
    const wanted = new Map(planServiceHealth(services, slices, this.#options.nodeName).map((health) => [health.port, health]));
    for (const [port, known] of this.#ports) {
      if (wanted.has(port)) continue;
      known.close();
      this.#ports.delete(port);
    }
    for (const [port, health] of wanted) {
      const known = this.#ports.get(port);
      if (known !== undefined) known.health = health;
      else this.#ports.set(port, new HealthPort(health, this.#options));
    }
  }

  close(): Promise<void> {
    for (const port of this.#ports.values()) port.close();
    this.#ports.clear();
    return Promise.resolve();
  }
}

class HealthPort {
  health: ServiceHealth;
  readonly #options: ServiceHealthPortsOptions;
  #server: Server | undefined;
  #retry: Timer | undefined;
  #isTold = false;
  #isClosed = false;

  constructor(health: ServiceHealth, options: ServiceHealthPortsOptions) {
    this.health = health;
    this.#options = options;
    this.#listen();
  }

  #listen(): void {
    const { address: host, portBase, clock } = this.#options;
    const server = createServer({ requestTimeout: REQUEST_MS, keepAliveTimeout: REQUEST_MS }, (_, response) => {
      const { status, headers, body } = healthAnswer(this.health);
      response.writeHead(status, headers).end(body);
    });
    server.maxConnections = CONNECTIONS_MAX;
    this.#server = server;
    server.once('error', (error) => {
      if (this.#isClosed) return;
      const code = systemErrorCode(error);
      if (code !== 'EADDRINUSE') this.#tell(code);
      this.#retry = clock.setTimer(code === 'EADDRINUSE' ? RETRY_TAKEN_MS : RETRY_OTHER_MS, () => this.#listen());
    });
    server.listen({ host, port: this.health.port + portBase, exclusive: true });
  }

  #tell(code: string | undefined): void {
    const { namespace, name, port } = this.health;
    if (!this.#isTold) this.#options.log.warn({ service: `${namespace}/${name}`, port, code }, 'proxy: cannot listen for health checks');
    this.#isTold = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}
