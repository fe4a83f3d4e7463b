/**
 * Who owns which fields of an object: `metadata.managedFields`, kept at every write, and server-side apply, which is
 * decided by it (https://kubernetes.io/docs/reference/using-api/server-side-apply/). Pure: objects in, objects out.
 *
 * An owner is a manager's name with the operation (Apply or Update), the version it wrote in and the subresource it wrote
 * to. Who changes a field by an update takes it from everybody; who applies a field with another value than it has must
 * force it, or is told of the conflict; who applies the value that it has shares it. A field that an applier no longer
 * applies and nobody else owns is removed.
 */
import { ApiError, badRequest } from '../../kube/errors.ts';
import { isRecord, type KubeObject, type ManagedFieldsEntry } from '../../kube/types.ts';
import { difference, EMPTY, equalSets, formatPath, fromFieldsV1, intersection, isEmptySet, members, only, toFieldsV1, union, without, type FieldSet } from './field-set.ts';
import { fieldsOfNew } from './new-object-fields.ts';
import { structShape, type Shape } from './topology.ts';
import { compare, fieldSetOf, merge, removeItems, ShapeProblem, withNamedFields, type Comparison } from './typed-value.ts';

export interface Writer {
  readonly manager: string;
  /** Of the object as the writer sent it: `apps/v1`. */
  readonly apiVersion: string;
  /** Empty: the object itself. */
  readonly subresource: string;
  /** RFC 3339. */
  readonly now: string;
}

interface Owner {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly set: FieldSet;
}

/** By identity. */
type Owners = ReadonlyMap<string, Owner>;

/** Every writer under a name of its own: past it the oldest updaters become one, as in Kubernetes. */
const UPDATERS_MAX = 10;
const ANCIENT = 'ancient-changes';
/** Owns what an object had before anybody's fields were tracked. */
const BEFORE_FIRST_APPLY = 'before-first-apply';

/** The server's own fields, which nobody owns. */
const UNOWNED_METADATA: ReadonlySet<string> = new Set([
  'name', 'generateName', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'managedFields', 'resourceVersion',
]);
const UNOWNED = placesOf({
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': Object.fromEntries([...UNOWNED_METADATA].map((name) => [`f:${name}`, {}])),
});
const STATUS = placesOf({ 'f:status': {} });

const FIELD_TYPE = 'FieldsV1';

// --- updates

export interface TrackedUpdate {
  readonly model: string;
  /** Undefined: the object is new. */
  readonly before: KubeObject | undefined;
  readonly after: KubeObject;
  /** What the writer sent as managedFields; a list of one empty entry resets all. */
  readonly sent: unknown;
  readonly hasStatus: boolean;
}

/** The managedFields of `after`; undefined: there are none. Fields whose owner did not change keep their time. */
export function trackUpdate(update: TrackedUpdate, writer: Writer): ManagedFieldsEntry[] | undefined {
  try {
    return track(update, writer);
  } catch (error) {
    // A list whose items cannot be told apart is no reason to refuse a write: nobody owns anything then, as in Kubernetes.
    if (error instanceof ShapeProblem) return undefined;
    throw error;
  }
}

function track({ model, before, after, sent, hasStatus }: TrackedUpdate, writer: Writer): ManagedFieldsEntry[] | undefined {
  if (before === undefined && sent === undefined && writer.subresource === '') return ofCreator({ model, after, hasStatus }, writer);
  const stored = decodeOwners(before?.metadata.managedFields) ?? new Map<string, Owner>();
  const given = isReset(sent) ? new Map<string, Owner>() : decodeOwners(sent);
  // A client that knows nothing of the field, or garbles it, does not take it away.
  const owners = given === undefined || (given.size === 0 && !isReset(sent)) ? stored : given;
  if (before !== undefined && stored.size === 0 && !isReset(sent)) return encodeOwners(owners);
  const shape = structShape(model);
  const old = before === undefined ? blankOf(after) : unowned(before);
  const changes = compare(shape, old, unowned(after));
  const owner: Omit<Owner, 'set'> = { ...writer, operation: 'Update', time: writer.now };
  const identity = identityOf(owner);
  const left = new Map(withoutChanges(owners, changes, undefined));
  const own = left.get(identity)?.set ?? EMPTY;
  const changed = union(difference(own, changes.removed), union(changes.modified, changes.added));
  setOwner(left, { ...owner, set: ownedAt(changed, writer.subresource, hasStatus) }, stored);
  return encodeOwners(capUpdaters(left));
}

/** As what follows in `track` would find it. */
function ofCreator({ model, after, hasStatus }: Pick<TrackedUpdate, 'model' | 'after' | 'hasStatus'>, { manager, apiVersion, now }: Writer): ManagedFieldsEntry[] | undefined {
  const fieldsV1 = fieldsOfNew({ model, object: after, unownedMetadata: UNOWNED_METADATA, hasStatus });
  return fieldsV1 === undefined ? undefined : [{ manager, operation: 'Update', apiVersion, time: now, fieldsType: FIELD_TYPE, fieldsV1 }];
}

function placesOf(fields: Record<string, unknown>): FieldSet {
  return fromFieldsV1(fields)!;
}

function isReset(sent: unknown): boolean {
  return Array.isArray(sent) && sent.length === 1 && isRecord(sent[0]) && Object.keys(sent[0]).length === 0;
}

function blankOf(object: KubeObject): Record<string, unknown> {
  const parts = ['metadata', 'spec', 'status'].filter((name) => isRecord(object[name]));
  return Object.fromEntries(parts.map((name) => [name, {}]));
}

function unowned(object: KubeObject): Record<string, unknown> {
  const { managedFields: _managedFields, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** A write to a subresource owns of its part alone, a write to the object nothing of its status. */
function ownedAt(set: FieldSet, subresource: string, hasStatus: boolean): FieldSet {
  const part = subresource === 'status' ? only(set, 'f:status') : hasStatus ? without(set, STATUS) : set;
  return without(part, UNOWNED);
}

function setOwner(owners: Map<string, Owner>, owner: Owner, stored: Owners): void {
  const identity = identityOf(owner);
  if (isEmptySet(owner.set)) owners.delete(identity);
  else {
    const before = stored.get(identity);
    const isSame = before !== undefined && equalSets(before.set, owner.set);
    owners.set(identity, isSame ? { ...owner, time: before.time } : owner);
  }
}

/** What others lose when an object changes; `except` keeps its own. */
function withoutChanges(owners: Owners, { added, modified, removed }: Comparison, except: string | undefined): Owners {
  const taken = union(modified, added);
  const left = new Map<string, Owner>();
  for (const [identity, owner] of owners) {
    const set = difference(identity === except ? owner.set : difference(owner.set, taken), removed);
    if (!isEmptySet(set)) left.set(identity, { ...owner, set });
  }
  return left;
}

function capUpdaters(owners: Owners): Owners {
  const updaters = sortOwners(owners).filter(({ operation }) => operation === 'Update');
  if (updaters.length <= UPDATERS_MAX) return owners;
  const old = updaters.slice(0, updaters.length - UPDATERS_MAX + 1);
  const left = new Map(owners);
  const merged = new Map<string, Owner>();
  for (const owner of old) {
    left.delete(identityOf(owner));
    const ancient = { ...owner, manager: ANCIENT, subresource: '' };
    const identity = identityOf(ancient);
    merged.set(identity, { ...ancient, set: union(merged.get(identity)?.set ?? EMPTY, owner.set) });
  }
  for (const [identity, owner] of merged) left.set(identity, owner);
  return left;
}

// --- apply

export interface Application {
  readonly model: string;
  /** Undefined: the object is to be created. */
  readonly current: KubeObject | undefined;
  /** As the client sent it, without defaults. */
  readonly config: KubeObject;
  readonly force: boolean;
  /** Where no conflict is one. */
  readonly takesOver?: FieldSet;
  readonly hasStatus: boolean;
}

export interface Applied {
  /** The object as it becomes; what the server fills in is still missing. */
  readonly object: KubeObject;
  readonly managedFields: ManagedFieldsEntry[] | undefined;
}

/** Throws Conflict where another manager owns a field with another value, unless forced. */
export function applyConfig({ model, current, config: sent, force, hasStatus, takesOver = EMPTY }: Application, writer: Writer): Applied {
  const config = writtenPart(sent, writer.subresource, hasStatus);
  const shape = structShape(model);
  const owner: Omit<Owner, 'set'> = { ...writer, operation: 'Apply', time: writer.now };
  const identity = identityOf(owner);
  try {
    const live = current === undefined ? blankOf(config) : unowned(current);
    const stored = ownersOf(shape, current, writer);
    const applied = fieldSetOf(shape, config);
    const owners = new Map(stored);
    setOwner(owners, { ...owner, set: ownedAt(applied, writer.subresource, hasStatus) }, stored);
    const merged = merge(shape, live, unowned(config));
    // The envelope too is what the config names: it stays when all else in it goes.
    const owned = [...owners.values()].reduce((set, other) => union(set, other.set), applied);
    const pruned = prune(shape, { merged, owned, last: stored.get(identity)?.set ?? EMPTY });
    const changes = compare(shape, live, pruned);
    if (!force) refuseConflicts(owners, difference(union(changes.modified, changes.added), takesOver), identity);
    const object = pruned as KubeObject; // both are of the kind, and its envelope is never pruned
    return { object, managedFields: encodeOwners(withoutChanges(owners, changes, identity)) };
  } catch (error) {
    if (error instanceof ShapeProblem) throw badRequest(`failed to create typed patch object: ${error.message}`);
    throw error;
  }
}

/** A config may speak of more than its path writes: of that it neither owns nor disputes anything. */
function writtenPart(config: KubeObject, subresource: string, hasStatus: boolean): KubeObject {
  if (!hasStatus) return config;
  const { status, ...object } = config;
  if (subresource === '') return object;
  if (subresource !== 'status') return config;
  const { name, namespace } = config.metadata;
  const metadata = namespace === undefined ? { name } : { name, namespace };
  return { apiVersion: config.apiVersion, kind: config.kind, metadata, ...(status === undefined ? {} : { status }) };
}

/** An object whose fields nobody tracked belongs to one updater of old. */
function ownersOf(shape: Shape, current: KubeObject | undefined, { apiVersion, now }: Writer): Owners {
  if (current === undefined) return new Map();
  const stored = decodeOwners(current.metadata.managedFields) ?? new Map<string, Owner>();
  if (stored.size > 0) return stored;
  // As if he had just created it.
  const set = without(compare(shape, blankOf(current), unowned(current)).added, UNOWNED);
  const owner: Owner = { manager: BEFORE_FIRST_APPLY, operation: 'Update', apiVersion, subresource: '', time: now, set };
  return isEmptySet(set) ? stored : new Map([[identityOf(owner), owner]]);
}

interface Pruning {
  readonly merged: unknown;
  /** By anybody, the applier's new config included. */
  readonly owned: FieldSet;
  /** What the applier owned before. */
  readonly last: FieldSet;
}

/** Takes out what the applier owned, applies no more, and nobody else owns. */
function prune(shape: Shape, { merged, owned, last }: Pruning): unknown {
  if (isEmptySet(last)) return merged;
  const named = (set: FieldSet) => withNamedFields(shape, set);
  const all = named(fieldSetOf(shape, merged));
  const rest = removeItems(shape, merged, named(last)) ?? {};
  // What somebody owns comes back, and so does what was only below a place that went.
  const kept = union(named(fieldSetOf(shape, rest)), named(owned));
  const backed = removeItems(shape, merged, difference(all, kept)) ?? {};
  const gone = intersection(difference(all, named(fieldSetOf(shape, backed))), named(last));
  return removeItems(shape, merged, gone) ?? {};
}

function refuseConflicts(owners: Owners, changed: FieldSet, applier: string): void {
  const conflicts: { owner: Owner; path: string }[] = [];
  for (const [identity, owner] of owners) {
    if (identity === applier) continue;
    for (const path of members(intersection(owner.set, changed))) conflicts.push({ owner, path: formatPath(path) });
  }
  if (conflicts.length === 0) return;
  conflicts.sort((a, b) => order(identityOf(a.owner), identityOf(b.owner)) || order(a.path, b.path));
  const causes = conflicts.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${describeOwner(owner)}`,
    field: path,
  }));
  throw new ApiError('Conflict', conflictMessage(conflicts), { details: { causes } });
}

function conflictMessage(conflicts: readonly { readonly owner: Owner; readonly path: string }[]): string {
  const [first] = conflicts;
  if (first !== undefined && conflicts.length === 1) return `Apply failed with 1 conflict: conflict with ${describeOwner(first.owner)}: ${first.path}`;
  const byOwner = new Map<string, string[]>();
  for (const { owner, path } of conflicts) {
    const name = describeOwner(owner);
    byOwner.set(name, [...(byOwner.get(name) ?? []), `- ${path}`]);
  }
  const parts = [...byOwner].map(([name, paths]) => `conflicts with ${name}:\n${paths.join('\n')}`);
  return `Apply failed with ${conflicts.length} conflicts: ${parts.join('\n')}`;
}

function describeOwner({ manager, subresource, operation, apiVersion }: Owner): string {
  const name = JSON.stringify(manager) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`);
  return operation === 'Update' ? `${name} using ${apiVersion}` : name;
}

// --- the wire form

/** An applier is the same in every version of the kind. */
function identityOf({ manager, operation, apiVersion, subresource }: Omit<Owner, 'set' | 'time'>): string {
  return JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource]);
}

/** Undefined: it is no list of entries that can be read. */
function decodeOwners(entries: unknown): Owners | undefined {
  if (entries === undefined) return new Map();
  if (!Array.isArray(entries)) return undefined;
  const owners = new Map<string, Owner>();
  for (const entry of entries as unknown[]) {
    const owner = decodeOwner(entry);
    if (owner === undefined) return undefined;
    const identity = identityOf(owner);
    owners.set(identity, { ...owner, set: union(owners.get(identity)?.set ?? EMPTY, owner.set) });
  }
  return owners;
}

function decodeOwner(entry: unknown): Owner | undefined {
  if (!isRecord(entry)) return undefined;
  const { manager = '', operation, apiVersion = '', subresource = '', time, fieldsV1, fieldsType = FIELD_TYPE } = entry;
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (typeof manager !== 'string' || typeof apiVersion !== 'string' || typeof subresource !== 'string') return undefined;
  if (fieldsType !== FIELD_TYPE || (time !== undefined && typeof time !== 'string')) return undefined;
  const set = fromFieldsV1(fieldsV1 ?? {});
  return set === undefined ? undefined : { manager, operation, apiVersion, subresource, time, set };
}

/** Undefined where nobody owns anything. */
function encodeOwners(owners: Owners): ManagedFieldsEntry[] | undefined {
  if (owners.size === 0) return undefined;
  return sortOwners(owners).map(({ manager, operation, apiVersion, subresource, time, set }) => ({
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: FIELD_TYPE,
    fieldsV1: toFieldsV1(set),
    ...(subresource === '' ? {} : { subresource }),
  }));
}

function sortOwners(owners: Owners): Owner[] {
  return [...owners.values()].sort(
    (a, b) =>
      order(a.operation, b.operation) ||
      order(a.time ?? '', b.time ?? '') ||
      order(a.manager, b.manager) ||
      order(a.apiVersion, b.apiVersion) ||
      order(a.subresource, b.subresource),
  );
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

