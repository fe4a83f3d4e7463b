/**
 * What shall happen at a point, as gofail writes it:
 *   panic                the process ends at once, as by a crash
 *   sleep(1000)          milliseconds; or with a unit of Go's, sleep(1s)
 *   2*sleep(10)          the first two times, then nothing
 *   3*sleep(10)->panic   the first three times, then the next one
 */
export type FaultAction = { readonly kind: 'panic' } | { readonly kind: 'sleep'; readonly ms: number };

export interface FaultTerm {
  readonly action: FaultAction;
  /** How often; Infinity where no count was given. */
  readonly times: number;
}

export type ParsedTerms =
  | { readonly ok: true; readonly terms: readonly FaultTerm[] }
  | { readonly ok: false; readonly why: string };

const SLEEP_MS_MAX = 600_000;
const TERM = /^(?:(\d+)\*)?(?:(panic)(?:\("[^"]*"\))?|sleep\((?:(\d+)|"?(\d+)(ms|s)"?)\))$/;
const FORMS = 'write panic, sleep(<milliseconds>), 1*panic for once, or several with -> between them';

export function parseTerms(text: string): ParsedTerms {
  const terms: FaultTerm[] = [];
  for (const part of text.trim().split('->')) {
    const parsed = parseTerm(part.trim());
    if (typeof parsed === 'string') return { ok: false, why: parsed };
    terms.push(parsed);
  }
  const endless = terms.findIndex(({ times }) => times === Infinity);
  if (endless >= 0 && endless < terms.length - 1) return { ok: false, why: `${JSON.stringify(text)}: nothing can follow a term without a count` };
  return { ok: true, terms };
}

function parseTerm(text: string): FaultTerm | string {
  const match = TERM.exec(text);
  if (match === null) return `${JSON.stringify(text)} is no term: ${FORMS}`;
  const [, count, panic, plain, number, unit] = match;
  const times = count === undefined ? Infinity : Number(count);
  if (times === 0 || (count !== undefined && !Number.isSafeInteger(times))) return `${JSON.stringify(text)}: a count is a whole number above 0`;
  if (panic !== undefined) return { action: { kind: 'panic' }, times };
  const ms = plain === undefined ? Number(number) * (unit === 's' ? 1000 : 1) : Number(plain);
  if (ms > SLEEP_MS_MAX) return `${JSON.stringify(text)}: at most ${SLEEP_MS_MAX} ms`;
  return { action: { kind: 'sleep', ms }, times };
}

export function formatTerms(terms: readonly FaultTerm[]): string {
  return terms
    .map(({ action, times }) => `${times === Infinity ? '' : `${times}*`}${action.kind === 'panic' ? 'panic' : `sleep(${action.ms})`}`)
    .join('->');
}
