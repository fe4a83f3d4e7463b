/** Whose turn it is among a rule's targets, and whom a client went to before: the memory of one rule of a userspace proxy. */
import type { Millis } from '../../base/clock.ts';
import type { ProxyRule } from './proxy-rules.ts';
import type { Target } from './service-endpoints.ts';

/** Clients that an affinity remembers per rule; past it the oldest is forgotten. */
const AFFINITIES_MAX = 10_000;

export class TargetChoice {
  readonly #affinities = new Map<string, { readonly target: Target; readonly untilMs: Millis }>();
  #turn = 0;

  /** The targets to try for a new connection, the one whose turn it is first. */
  candidates({ targets, affinitySeconds }: ProxyRule, client: string, nowMs: Millis): Target[] {
    if (targets.length === 0) return [];
    const first = this.#turn++ % targets.length;
    const inTurn = [...targets.slice(first), ...targets.slice(0, first)];
    const known = affinitySeconds === undefined ? undefined : this.#affinities.get(client);
    if (known === undefined || known.untilMs < nowMs) return inTurn;
    const isKnown = (target: Target) => isSameTarget(target, known.target);
    return [...inTurn.filter(isKnown), ...inTurn.filter((target) => !isKnown(target))];
  }

  remember({ affinitySeconds }: ProxyRule, client: string, target: Target, nowMs: Millis): void {
    if (affinitySeconds === undefined) return;
    this.#affinities.delete(client);
    this.#affinities.set(client, { target, untilMs: nowMs + 1000 * affinitySeconds });
    if (this.#affinities.size <= AFFINITIES_MAX) return;
    for (const oldest of this.#affinities.keys()) {
      this.#affinities.delete(oldest);
      break;
    }
  }
}

export function isSameTarget(a: Target, b: Target): boolean {
  return a.address === b.address && a.port === b.port;
}
