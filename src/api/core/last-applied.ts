/**
 * What `kubectl apply` without `--server-side` leaves on an object, an annotation with what was applied, when server-side
 * apply comes to it: kubectl may take over what it applied itself and nobody has changed since, and what it applies is
 * noted there, so that it may also go back.
 */
import { isRecord, type KubeObject } from '../../kube/types.ts';
import { difference, EMPTY, union, type FieldSet } from './field-set.ts';
import { structShape } from './topology.ts';
import { compare, fieldSetOf, ShapeProblem } from './typed-value.ts';

/** Only the manager that kubectl itself is takes over from it. */
export const KUBECTL = 'kubectl';
export const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration';
/** As for all annotations together. */
const ANNOTATION_LENGTH_MAX = 256 * 1024;

/** The fields that the annotation has with the values that the object still has. */
export function lastAppliedFields(model: string, current: KubeObject | undefined): FieldSet {
  const applied = current === undefined ? undefined : readLastApplied(current);
  if (applied === undefined) return EMPTY;
  const shape = structShape(model);
  try {
    const { added, modified, removed } = compare(shape, applied, current);
    return difference(fieldSetOf(shape, applied), union(union(added, modified), removed));
  } catch (error) {
    // Anybody may write an annotation.
    if (error instanceof ShapeProblem) return EMPTY;
    throw error;
  }
}

/** The object with the config as its annotation, if it has one. */
export function withLastApplied(object: KubeObject, config: KubeObject): KubeObject {
  const { annotations } = object.metadata;
  if (annotations?.[ANNOTATION] === undefined) return object;
  const text = lastAppliedText(config);
  if (text.length > ANNOTATION_LENGTH_MAX) return object;
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [ANNOTATION]: text } } };
}

interface Annotated {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
}

/** What was applied last; undefined where nobody says, or where it cannot be read. */
export function readLastApplied({ metadata }: Annotated): Record<string, unknown> | undefined {
  const text = metadata.annotations?.[ANNOTATION];
  if (text === undefined) return undefined;
  try {
    const applied: unknown = JSON.parse(text);
    return isRecord(applied) ? applied : undefined;
  } catch {
    return undefined;
  }
}

/** A manifest as it is remembered: without an earlier memory of itself. */
export function lastAppliedText(config: Annotated): string {
  const { metadata } = config;
  const { [ANNOTATION]: _old, ...annotations } = metadata.annotations ?? {};
  return `${sortedJson({ ...config, metadata: metadata.annotations === undefined ? metadata : { ...metadata, annotations } })}\n`;
}

/** As Go writes maps, and texts that might come to stand in a page. */
function sortedJson(value: unknown): string {
  const json = JSON.stringify(value, (_key, item: unknown) =>
    isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
  return json.replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
