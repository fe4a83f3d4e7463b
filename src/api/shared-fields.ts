/**
 * The fields that a manager owns, kept once for all objects that say the same of them. Thousands of pods of a few
 * controllers name the same few sets, each of them more than half of what a parsed pod takes in memory.
 */
import type { KubeObject } from '../kube/types.ts';

/** Past it all are forgotten, and found anew: those in use live on in the objects that share them. */
const SETS_MAX = 1_000;

export class SharedFields {
  readonly #sets = new Map<string, Record<string, unknown>>();

  /** In place: the object must be nobody else's yet, and from then on not be changed. */
  share({ metadata: { managedFields } }: KubeObject): void {
    // As stored by whoever may write into the store: it may be no list.
    if (!Array.isArray(managedFields)) return;
    for (const entry of managedFields) if (entry?.fieldsV1 !== undefined) entry.fieldsV1 = this.#shared(entry.fieldsV1);
  }

  #shared(fields: Record<string, unknown>): Record<string, unknown> {
    const text = JSON.stringify(fields);
    const known = this.#sets.get(text);
    if (known !== undefined) return known;
    if (this.#sets.size >= SETS_MAX) this.#sets.clear();
    this.#sets.set(text, fields);
    return fields;
  }
}
