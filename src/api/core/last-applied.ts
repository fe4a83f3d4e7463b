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
const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration';
/** As for all annotations together. */
const ANNOTATION_LENGTH_MAX = 256 * 1024;

/** The fields that the annotation has with the values that the object still has. */
export function lastAppliedFields(model: string, current: KubeObject | undefined): FieldSet {
  const text = current?.metadata.annotations?.[ANNOTATION];
  if (text === undefined) return EMPTY;
  try {
    const applied: unknown = JSON.parse(text);
    if (!isRecord(applied)) return EMPTY;
    const shape = structShape(model);
    const { added, modified, removed } = compare(shape, applied, current);
    return difference(fieldSetOf(shape, applied), union(union(added, modified), removed));
  } catch (error) {
    // Anybody may write an annotation.
    if (error instanceof SyntaxError || error instanceof ShapeProblem) return EMPTY;
    throw error;
  }
}

/** The object with the config as its annotation, if it has one. */
export function withLastApplied(object: KubeObject, config: KubeObject): KubeObject {
  const { annotations } = object.metadata;
  if (annotations?.[ANNOTATION] === undefined) return object;
  const { [ANNOTATION]: _old, ...others } = config.metadata.annotations ?? {};
  const metadata = config.metadata.annotations === undefined ? config.metadata : { ...config.metadata, annotations: others };
  const text = `${sortedJson({ ...config, metadata })}\n`;
  if (text.length > ANNOTATION_LENGTH_MAX) return object;
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, [ANNOTATION]: text } } };
}

/** As Go writes maps. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    isRecord(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item,
  );
}
