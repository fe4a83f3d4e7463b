/** What an API server makes of an object and says of changes, in a form that two of them can be compared in. */
import { builtInKinds } from '../../../src/api/kinds/kinds.ts';
import type { Kind } from '../../../src/api/kinds/kind.ts';
import { apiVersionOf } from '../../../src/kube/resources.ts';
import { isRecord } from '../../../src/kube/types.ts';
import type { Manifest } from './objects.ts';

export interface Answer {
  /** As it is stored, less what no two servers share. */
  readonly stored?: unknown;
  readonly refused?: Refusal;
  /** One a change. */
  readonly changes: readonly ('ok' | Refusal)[];
}

export interface Refusal {
  readonly code: number;
  /** `FieldValueInvalid spec.clusterIP`, sorted. */
  readonly causes: readonly string[];
}

export function refusalOf(code: number, causes: unknown): Refusal {
  const list = Array.isArray(causes) ? causes.filter(isRecord) : [];
  return { code, causes: [...new Set(list.map(({ reason, field }) => `${String(reason)} ${String(field)}`))].sort() };
}

const VOLATILE = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'managedFields']);

/** What Go writes of nothing. */
const isNothing = (name: string, value: unknown): boolean =>
  value === null || (['metadata', 'status', 'conditions'].includes(name) && isRecord(value) && Object.keys(value).length === 0);
/** The plugin that sets them is off where this was recorded. */
const SERVICE_ACCOUNT = ['serviceAccountName', 'serviceAccount'];
const TIMES = ['lastPhaseTransitionTime', 'lastTransitionTime'];

/** Addresses and ports that are given out are what they are; that there is one counts. */
export function masked(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => masked(item, name));
  if (!isRecord(value)) {
    if (['clusterIP', 'clusterIPs'].includes(name) && value !== 'None') return 'ADDRESS';
    if (['controller-uid', 'batch.kubernetes.io/controller-uid'].includes(name)) return 'UID';
    if (TIMES.includes(name)) return 'TIME';
    return name === 'nodePort' || name === 'healthCheckNodePort' ? 30_000 : value;
  }
  const kept = Object.entries(value).filter(([key, below]) => !(name === 'metadata' && VOLATILE.has(key)) && !(SERVICE_ACCOUNT.includes(key) && below === 'default'));
  const below = kept.map(([key, field]): [string, unknown] => [key, masked(field, key)]);
  return Object.fromEntries(below.filter(([key, field]) => !isNothing(key, field)));
}

export const KINDS = builtInKinds({ evictionTolerationSeconds: 300 });

export function kindOf({ apiVersion, kind }: Manifest): Kind {
  const found = KINDS.find(({ info }) => info.kind === kind && apiVersionOf(info) === apiVersion);
  if (found === undefined) throw new Error(`no kind ${kind} in ${apiVersion}`);
  return found;
}

export function namespaceOf({ metadata }: Manifest): string {
  return typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
}
