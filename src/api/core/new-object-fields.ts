/**
 * The fields of a new object that its creator owns, in the wire form at once: what managed-fields.ts would find by
 * comparing the object with nothing, without the sets in between. Most writes that a cluster has to do quickly are these.
 */
import { equalJson, isRecord, type KubeObject } from '../../kube/types.ts';
import { structShape, type Shape } from './topology.ts';
import { isGranularMap, isKeyedList, itemsByElement, shapeOfEntry } from './typed-value.ts';

type FieldsV1 = Record<string, unknown>;

export interface Creation {
  readonly model: string;
  readonly object: KubeObject;
  /** Nobody owns them. */
  readonly unownedMetadata: ReadonlySet<string>;
  /** It is written elsewhere. */
  readonly hasStatus: boolean;
}

/** What is there of every object from the beginning, and so is nobody's for being there. */
const PARTS: ReadonlySet<string> = new Set(['metadata', 'spec', 'status']);

/** Undefined: there are none. Throws ShapeProblem as typed-value.ts does. */
export function fieldsOfNew({ model, object, unownedMetadata, hasStatus }: Creation): FieldsV1 | undefined {
  const shape = structShape(model);
  const fields: FieldsV1 = {};
  for (const name of Object.keys(object).sort()) {
    const value = object[name];
    if (value === undefined || name === 'apiVersion' || name === 'kind' || (hasStatus && name === 'status')) continue;
    const below = shapeOfEntry(shape, name);
    const isPart = PARTS.has(name) && isRecord(value);
    const owned = isPart ? fieldsOfPart(below, value, name === 'metadata' ? unownedMetadata : NONE) : allFields(below, value);
    if (owned !== undefined) fields[`f:${name}`] = owned;
  }
  return Object.keys(fields).length === 0 ? undefined : fields;
}

const NONE: ReadonlySet<string> = new Set();

function fieldsOfPart(shape: Shape, value: Record<string, unknown>, unowned: ReadonlySet<string>): FieldsV1 | undefined {
  if (!isGranularMap(shape)) return equalJson(value, {}) ? undefined : {};
  const names = Object.keys(value).filter((name) => value[name] !== undefined && !unowned.has(name));
  return names.length === 0 ? undefined : fieldsNamed(shape, value, names, {});
}

function allFields(shape: Shape, value: unknown): FieldsV1 {
  if (isGranularMap(shape) && isRecord(value)) {
    const names = Object.keys(value).filter((name) => value[name] !== undefined);
    return names.length === 0 ? {} : fieldsNamed(shape, value, names, { '.': {} });
  }
  if (!isKeyedList(shape) || !Array.isArray(value) || value.length === 0) return {};
  const fields: FieldsV1 = { '.': {} };
  const items = itemsByElement(shape, value);
  for (const element of [...items.keys()].sort()) {
    const same = items.get(element)!;
    // Items of one name cannot be told apart.
    fields[element] = same.length > 1 ? {} : allFields(shape.element, same[0]);
  }
  return fields;
}

function fieldsNamed(shape: Shape, value: Record<string, unknown>, names: string[], fields: FieldsV1): FieldsV1 {
  for (const name of names.sort()) fields[`f:${name}`] = allFields(shapeOfEntry(shape, name), value[name]);
  return fields;
}
