/** What clients send, held against what it is sent for: names, versions, managers, patches and configs. Pure. */
import { ApiError, STALE_OBJECT, badRequest, conflict, invalid, invalidObject } from '../../kube/errors.ts';
import { apiVersionOf } from '../../kube/resources.ts';
import { equalJson, isRecord, type KubeObject, type ManagedFieldsEntry } from '../../kube/types.ts';
import type { Kind } from '../kinds/kind.ts';
import type { ApplyOptions, PatchType, Ref, WriteOptions } from '../requests.ts';
import { UnfitBody, checkPreconditions, decodeConfig, type Draft } from './draft.ts';
import { goText, inConversionsWords, jsonPatch, mergePatch, strategicPatch, type Patched } from './patch.ts';

const MANAGER_LENGTH_MAX = 128;

export function withManagers(object: KubeObject, managedFields: ManagedFieldsEntry[] | undefined): KubeObject {
  const { managedFields: _old, ...metadata } = object.metadata;
  return { ...object, metadata: managedFields === undefined ? metadata : { ...metadata, managedFields } };
}

export const PATCH_OPTIONS = { group: 'meta.k8s.io', resource: '', kind: 'PatchOptions' } as const;

export function checkManager(fieldManager: string): void {
  const problem =
    fieldManager.length > MANAGER_LENGTH_MAX
      ? `Too long: may not be more than ${MANAGER_LENGTH_MAX} bytes`
      : /[^\x20-\x7e]/.test(fieldManager)
        ? `Invalid value: ${JSON.stringify(fieldManager)}: should only contain printable characters`
        : '';
  if (problem !== '') throw new ApiError('Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${problem}`);
}

/** Warnings are for who writes what they are about. */
export function adviceOn(kind: Kind, draft: KubeObject, old: KubeObject): readonly string[] {
  if (kind.warnings === undefined || equalJson(draft['spec'], old['spec'])) return [];
  return kind.warnings(draft);
}

export function patched(model: string, target: KubeObject, { type, body }: { readonly type: PatchType; readonly body: unknown }): unknown {
  if (type === 'merge') return mergePatch(target, body);
  const result: Patched = type === 'json' ? jsonPatch(target, body) : strategicPatch(model, target, body);
  if (result.ok) return result.value;
  // A patch that makes sense but does not fit this object is Invalid, as Kubernetes answers it.
  throw new ApiError('Invalid', 'the server rejected our request due to an error in our request', { details: {}, cause: result.message });
}

export function checkPatch({ type, body }: { readonly type: PatchType; readonly body: unknown }): void {
  const isFit = type === 'json' ? Array.isArray(body) : isRecord(body);
  if (isFit) return;
  const found = Array.isArray(body) ? 'array' : body === null ? 'null' : typeof body === 'boolean' ? 'bool' : typeof body;
  const wanted = type === 'json' ? '[]handlers.jsonPatchOp' : 'map[string]interface {}';
  throw badRequest(`error decoding patch: json: cannot unmarshal ${found} into Go value of type ${wanted}`);
}

/** Who applies says what it is, and only fields that there are: nobody could own the others. */
export function decodeApplied({ info, ...kind }: Kind, body: unknown, { duplicates, fieldValidation = 'Strict' }: ApplyOptions): Draft {
  const { apiVersion, kind: name } = isRecord(body) ? body : {};
  if (isRecord(body) && (apiVersion !== apiVersionOf(info) || name !== info.kind)) {
    const [group, version] = typeof apiVersion === 'string' && apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion];
    throw badRequest(`invalid object type: ${[group, version].map((text) => (typeof text === 'string' ? text : '')).join('/')}, Kind=${typeof name === 'string' ? name : ''}`);
  }
  const draft = decodeConfig({ info, ...kind }, body, 'Warn', duplicates);
  const unknown = draft.warnings.find((warning) => warning.startsWith('unknown field '));
  if (unknown !== undefined) {
    const path = String(JSON.parse(unknown.slice('unknown field '.length)));
    const { name: called } = draft.object.metadata;
    throw badRequest(`failed to create typed patch object (/${called}; ${info.group}/${info.version}, Kind=${info.kind}): .${path}: field not declared in schema`);
  }
  if (fieldValidation === 'Strict' && draft.warnings.length > 0) {
    throw badRequest(`error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  ${draft.warnings.join('\n  ')}`);
  }
  return fieldValidation === 'Ignore' ? { ...draft, warnings: [] } : draft;
}

/** What does not fit the kind's types is the patch's fault, not its body's. */
export function decodePatched<T>({ body, patch }: { readonly body: unknown; readonly patch: { readonly type: PatchType; readonly body: unknown } }, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UnfitBody)) throw error;
    const isStrategic = patch.type === 'strategic';
    const problems = isStrategic ? error.problems.map(inConversionsWords) : error.problems;
    const value = isStrategic ? goText(patch.body) : JSON.stringify(body);
    throw invalidObject({ group: '', resource: '', kind: '' }, '', [invalid('patch', value, problems.join(', '))]);
  }
}

export function checkVersion(kind: Kind, sent: KubeObject, current: KubeObject): void {
  const { uid, resourceVersion } = sent.metadata;
  if (uid !== undefined && uid !== '' && uid !== current.metadata.uid) checkPreconditions(kind, current, { uid });
  if (!resourceVersion || resourceVersion === current.metadata.resourceVersion) return;
  if (!/^\d+$/.test(resourceVersion)) {
    throw invalidObject(kind.info, current.metadata.name, [invalid('metadata.resourceVersion', resourceVersion, 'must be a number')]);
  }
  throw conflict(kind.info, current.metadata.name, STALE_OBJECT);
}

export function checkHasVersion({ info, updatesNeedVersion }: Kind, { metadata }: KubeObject, { preconditions }: WriteOptions): void {
  if (updatesNeedVersion !== true || metadata.resourceVersion || preconditions?.resourceVersion) return;
  throw invalidObject({ ...info, kind: info.resource }, metadata.name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')]);
}

export function checkName({ metadata }: KubeObject, { name }: Ref): void {
  if (metadata.name === '') metadata.name = name;
  if (metadata.name !== name) throw nameMismatch(metadata.name, name);
}

export function nameMismatch(inObject: string, inRequest: string): ApiError {
  return badRequest(`the name of the object (${inObject}) does not match the name on the URL (${inRequest})`);
}
