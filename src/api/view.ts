/**
 * A kind may be a view of another: the same stored objects in another group or version. What is asked of the view is
 * asked of the kind that is stored, and shown as the view; field selectors are those of the view.
 */
import { fromUtf8 } from '../base/bytes.ts';
import { invalidObject } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import { decodeConfig, decodeObject, type Draft, type FieldValidation } from './core/draft.ts';
import type { Selection } from './core/query.ts';
import type { Kind, View } from './kinds/kind.ts';
import type { CacheWatch } from './watch-audience.ts';
import type { CachedObject, CacheEvent } from './watch-cache.ts';

/** Shown once for all who list or watch: what a cache holds is not changed. */
const shownObjects = new WeakMap<View, WeakMap<KubeObject, KubeObject>>();
const shownCached = new WeakMap<KubeObject, CachedObject>();

/** The stored object as the kind shows it. */
export function shownAs({ view }: Kind, stored: KubeObject): KubeObject {
  if (view === undefined) return stored;
  const known = shownObjects.get(view) ?? new WeakMap<KubeObject, KubeObject>();
  shownObjects.set(view, known);
  const shown = known.get(stored) ?? view.show(stored);
  known.set(stored, shown);
  return shown;
}

/** Of stored objects, those that the view's selection means. */
export function selectionThrough(kind: Kind, selection: Selection): Selection {
  if (kind.view === undefined) return selection;
  return { ...selection, matches: (stored) => selection.matches(shownAs(kind, stored)) };
}

export async function* watchThrough(kind: Kind, watch: CacheWatch): AsyncGenerator<readonly CacheEvent[], undefined> {
  const show = (event: CacheEvent): CacheEvent => (event.type === 'BOOKMARK' ? event : { ...event, cached: shownCachedAs(kind, event.cached) });
  for await (const events of watch) yield events.map(show);
}

function shownCachedAs(kind: Kind, cached: CachedObject): CachedObject {
  const object = shownAs(kind, cached.object);
  let bytes: Uint8Array | undefined;
  const shown = shownCached.get(object) ?? { ...cached, object, json: () => (bytes ??= fromUtf8(JSON.stringify(object))), forgetJson: () => (bytes = undefined) };
  shownCached.set(object, shown);
  return shown;
}

/** What a client sends as the view, checked as such, as it is to be stored. */
export function sentThrough(kind: Kind & { readonly view: View }, body: unknown, { validation, isNew, isConfig }: { readonly validation: FieldValidation; readonly isNew: boolean; readonly isConfig: boolean }): Draft {
  const { object, warnings } = isConfig ? decodeConfig(kind, body, validation) : decodeObject(kind, body, validation);
  const errors = isNew ? (kind.validate?.(object) ?? []) : [];
  if (errors.length > 0) throw invalidObject(kind.info, object.metadata.name, errors);
  return { object: kind.view.store(object), warnings };
}

export function isView(kind: Kind): kind is Kind & { readonly view: View } {
  return kind.view !== undefined;
}
