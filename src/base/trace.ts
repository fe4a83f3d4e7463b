/** What a core tells of itself: a typed event that shell and simulator both print. `type` is constant text, facts are fields. */
export interface TraceEvent {
  readonly type: string;
  readonly [fact: string]: unknown;
}

export type Trace = (event: TraceEvent) => void;

export const noTrace: Trace = () => {};
