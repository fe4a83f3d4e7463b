/** A broken watch promise with the few responses that show it, beside what the history says of those revisions. */
import type { StoreEvent } from './store-model.ts';
import { isWatched, type SeenResponse, type SeenWatch, type WatchViolation } from './watch-promises.ts';

export interface WatchRenderOptions {
  readonly watches: readonly SeenWatch[];
  readonly events: readonly StoreEvent[];
  /** Taken off keys. */
  readonly prefix: string;
}

/** Responses shown: those that speak of the revision, with one before and one after. */
const RESPONSES_MAX = 6;
/** Of a large response only the events near the revision. */
const EVENTS_MAX = 5;

export function renderWatchViolation(violation: WatchViolation, { watches, events, prefix }: WatchRenderOptions): string[] {
  const watch = watches.find(({ name }) => name === violation.name);
  const { revision } = violation;
  const owed = watch === undefined ? [] : events.filter((event) => event.revision === revision && isWatched(watch, event.key));
  const lines = [
    `${violation.promise}, at revision ${revision} (${violation.name}): ${violation.why}`,
    ...(owed.length === 0 ? [] : [`  there was    ${owed.map(renderEvent).join(', ')}`]),
    ...responsesAround(watch?.responses ?? [], revision).map((response) => `  it was sent  ${renderResponse(response, revision)}`),
  ];
  return lines.map((line) => line.replaceAll(prefix, ''));
}

function responsesAround(responses: readonly SeenResponse[], revision: number): readonly SeenResponse[] {
  const speaks = ({ kind, revision: header, events }: SeenResponse) =>
    events.some((event) => event.revision === revision) || (kind === 'progress' && header === revision);
  const at = responses.flatMap((response, index) => (speaks(response) ? [index] : []));
  // Nothing speaks of a revision that did not come: then the first response past it.
  const past = responses.findIndex(({ events, kind, revision: header }) => events.some((event) => event.revision > revision) || (kind === 'progress' && header >= revision));
  const middle = at.length > 0 ? at : past >= 0 ? [past] : [];
  const shown = new Set(middle.flatMap((index) => [index - 1, index, index + 1]));
  return responses.filter((_, index) => shown.has(index)).slice(0, RESPONSES_MAX);
}

function renderResponse({ kind, revision, events }: SeenResponse, around: number): string {
  if (kind !== 'events') return `${kind}, revision ${revision}`;
  const near = events.filter((event) => Math.abs(event.revision - around) <= EVENTS_MAX / 2);
  const shown = near.length > 0 ? near : events.slice(0, EVENTS_MAX);
  const left = events.length - shown.length;
  return `${shown.map(renderEvent).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}

function renderEvent({ revision, kind, key, value }: StoreEvent): string {
  return `${revision} ${kind} ${key}${kind === 'put' ? ` = ${value}` : ''}`;
}
