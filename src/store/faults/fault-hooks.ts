/**
 * What is armed at the points of a member (core/points.ts). A member that is handed none runs past each point with one
 * comparison with undefined; there is no other cost. How to sleep and how to end comes from outside, so that a process, a
 * test and a simulation can have the same faults.
 */
import { nearest } from '../../base/nearest.ts';
import { UserError } from '../../base/errors.ts';
import { type AwaitedPoint, type BlockingPoint, FAULT_POINTS, type FaultPoint, isFaultPoint } from './core/points.ts';
import { type FaultAction, type FaultTerm, formatTerms, parseTerms } from './core/terms.ts';

export interface FaultActions {
  /** Ends the member as a crash would: nothing of it runs, writes or sends afterwards. Where it returns, it must have. */
  panic(point: FaultPoint): void;
  sleep(ms: number): Promise<void>;
  /** Holds up the member's one thread. */
  block(ms: number): void;
}

export interface ArmedPoint {
  readonly point: FaultPoint;
  /** Empty: nothing is armed, or all of it was used. */
  readonly term: string;
  /** How often something was done there. */
  readonly met: number;
}

export class FaultHooks {
  readonly #actions: FaultActions;
  readonly #armed = new Map<FaultPoint, FaultTerm[]>();
  readonly #met = new Map<FaultPoint, number>();

  constructor(actions: FaultActions) {
    this.#actions = actions;
  }

  /** `if (faults !== undefined) await faults.at('…')` */
  at(point: AwaitedPoint): Promise<void> | undefined {
    const action = this.#take(point);
    if (action === undefined) return undefined;
    if (action.kind === 'sleep') return this.#actions.sleep(action.ms);
    this.#actions.panic(point);
    return new Promise(() => undefined); // Of what has crashed nothing goes on.
  }

  /** `faults?.block('…')` */
  block(point: BlockingPoint): void {
    const action = this.#take(point);
    if (action === undefined) return;
    if (action.kind === 'sleep') return this.#actions.block(action.ms);
    this.#actions.panic(point);
    throw new Error(`the member has crashed at ${point}`);
  }

  /** Throws a `UserError` at a point or a term that there is not. */
  arm(name: string, text: string): void {
    const point = faultPoint(name);
    const parsed = parseTerms(text);
    if (!parsed.ok) throw new UserError(`${name}: ${parsed.why}`);
    this.#armed.set(point, [...parsed.terms]);
  }

  /** `point=term;point=term`, as gofail's variable has it. */
  armAll(text: string): void {
    for (const part of text.split(';').filter((each) => each.trim() !== '')) {
      const at = part.indexOf('=');
      if (at < 0) throw new UserError(`${JSON.stringify(part)}: write <point>=<term>, with ; between several`);
      this.arm(part.slice(0, at).trim(), part.slice(at + 1));
    }
  }

  disarm(name: string): void {
    this.#armed.delete(faultPoint(name));
  }

  state(name: string): ArmedPoint {
    const point = faultPoint(name);
    return { point, term: formatTerms(this.#armed.get(point) ?? []), met: this.#met.get(point) ?? 0 };
  }

  #take(point: FaultPoint): FaultAction | undefined {
    const terms = this.#armed.get(point);
    const first = terms?.[0];
    if (terms === undefined || first === undefined) return undefined;
    if (first.times > 1) terms[0] = { ...first, times: first.times - 1 };
    else terms.shift();
    if (terms.length === 0) this.#armed.delete(point);
    this.#met.set(point, (this.#met.get(point) ?? 0) + 1);
    return first.action;
  }
}

export function faultPoint(name: string): FaultPoint {
  if (isFaultPoint(name)) return name;
  const meant = nearest(name, FAULT_POINTS);
  throw new UserError(`there is no point ${JSON.stringify(name)}: ${meant === undefined ? '' : `did you mean ${meant}? `}GET / lists them`);
}
