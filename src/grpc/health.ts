/** grpc.health.v1: whether the server, or one of its services, serves. Check asks once, Watch follows. */
import { Pipe } from '../base/pipe.ts';
import { Health, ServingStatus, type HealthCheckResponse } from '../proto/health.ts';
import { bind, RpcCode, RpcError, type BoundService } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';

export type ServingState = 'serving' | 'not-serving' | 'unknown';

const WIRE = {
  serving: ServingStatus.SERVING,
  'not-serving': ServingStatus.NOT_SERVING,
  unknown: ServingStatus.UNKNOWN,
} as const satisfies Record<ServingState, number>;

/** States that wait for a slow watcher; only the last of them matters, so older ones are merged away. */
const STATES_AHEAD_MAX = 8;

export class HealthService {
  readonly bound: BoundService;
  readonly #states = new Map<string, ServingState>();
  readonly #watchers = new Map<string, Set<() => void>>();

  /** The server as a whole is the service named "". */
  constructor(initial: ServingState = 'serving') {
    this.#states.set('', initial);
    this.bound = bind(Health, {
      check: ({ service }) => {
        const state = this.#states.get(service);
        if (state === undefined) throw new RpcError(RpcCode.NOT_FOUND, 'unknown service');
        return { status: WIRE[state] };
      },
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    });
  }

  set(service: string, state: ServingState): void {
    if (this.#states.get(service) === state) return;
    this.#states.set(service, state);
    for (const changed of this.#watchers.get(service) ?? []) changed();
  }

  get(service: string): ServingState | undefined {
    return this.#states.get(service);
  }

  #watch(service: string, signal: AbortSignal): AsyncIterable<Init<HealthCheckResponse>> {
    const watchers = this.#watchers.get(service) ?? new Set<() => void>();
    this.#watchers.set(service, watchers);
    const leave = () => {
      watchers.delete(changed);
      if (watchers.size === 0) this.#watchers.delete(service);
    };
    let behind = false;
    const pipe = new Pipe<Init<HealthCheckResponse>>(STATES_AHEAD_MAX, {
      drain: () => {
        if (behind) changed();
      },
      return: leave,
    });
    const changed = () => {
      behind = pipe.length >= STATES_AHEAD_MAX;
      if (behind) return; // told once it has caught up
      const state = this.#states.get(service);
      pipe.push({ status: state === undefined ? ServingStatus.SERVICE_UNKNOWN : WIRE[state] });
    };
    watchers.add(changed);
    signal.addEventListener('abort', () => {
      leave();
      pipe.end();
    });
    changed();
    return pipe;
  }
}
