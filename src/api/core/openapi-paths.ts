/**
 * The operations of a resource as OpenAPI v3 paths. Clients read out of them what the server can do: kubectl looks for
 * the PATCH of a kind, for the content types that it takes and for its query parameter `fieldValidation`.
 */
import type { ResourceInfo } from '../../kube/resources.ts';
import { answersDeleted } from './answers.ts';
import { CONNECTS, DELETE, DELETE_COLLECTION, DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE, LIST, LOG, PRETTY, path, type Parameter } from './openapi-parameters.ts';
import type { Components, GroupVersionKind, Schema } from './openapi-schemas.ts';

/** A resource as the document shows it; what discovery knows. */
export interface DocumentedResource {
  readonly info: ResourceInfo;
  readonly verbs: readonly string[];
  readonly subresources: readonly DocumentedSubresource[];
}

export interface DocumentedSubresource {
  readonly name: string;
  readonly body: GroupVersionKind;
  readonly verbs: readonly string[];
}

export type Paths = Record<string, Schema>;

/** The content types that a patch may have. */
const PATCH_TYPES = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json'];

interface Operation {
  /** The verb of the path: `get`, `put`, … */
  readonly method: string;
  readonly action: string;
  readonly id: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly body?: Schema;
  readonly answers: Readonly<Record<number, Schema>>;
}

interface Place {
  readonly resource: DocumentedResource;
  readonly components: Components;
  /** `/apis/apps/v1`. */
  readonly root: string;
  /** `AppsV1`. */
  readonly groupId: string;
}

/** All paths of a resource. */
export function pathsOf(resource: DocumentedResource, root: string, components: Components): Paths {
  const { group, version, resource: plural, namespaced } = resource.info;
  const place: Place = { resource, components, root, groupId: groupIdOf(group, version) };
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const inNamespace = namespaced ? [path('namespace', 'The namespace of the object.')] : [];
  const paths: Paths = {};
  add(paths, collection, [...inNamespace, PRETTY], collectionOperations(place), place);
  if (namespaced && resource.verbs.includes('list')) {
    add(paths, `${root}/${plural}`, [PRETTY], [listOperation(place, `list${place.groupId}${resource.info.kind}ForAllNamespaces`)], place);
  }
  const named = [path('name', `The name of the ${resource.info.kind}.`), ...inNamespace, PRETTY];
  add(paths, `${collection}/{name}`, named, objectOperations(place), place);
  for (const subresource of resource.subresources) {
    add(paths, `${collection}/{name}/${subresource.name}`, named, subresourceOperations(place, subresource), place, subresource.body);
  }
  return { ...paths, ...connectPaths(place, collection, inNamespace) };
}

/** What is not an answer but a connection, or somebody else's: an executed command, a port, a proxy. */
function connectPaths(place: Place, collection: string, inNamespace: readonly Parameter[]): Paths {
  const { group, version, resource: plural } = place.resource.info;
  const paths: Paths = {};
  if (group !== '') return paths;
  for (const [name, { kind, methods, parameters, hasPath }] of Object.entries(CONNECTS[plural] ?? {})) {
    const named = [path('name', `The name of the ${kind}.`), ...inNamespace];
    const gvk = { group, version, kind };
    add(paths, `${collection}/{name}/${name}`, named, methods.map((method) => connection(place, method, name, parameters)), place, gvk);
    if (!hasPath) continue;
    const behind = methods.map((method) => connection(place, method, name, parameters, 'WithPath'));
    add(paths, `${collection}/{name}/${name}/{path}`, [...named, path('path', 'The path to ask for.')], behind, place, gvk);
  }
  return paths;
}

function connection(place: Place, method: string, name: string, parameters: readonly Parameter[], suffix = ''): Operation {
  const { kind, namespaced } = place.resource.info;
  const id = `connect${place.groupId}${capital(method)}${namespaced ? 'Namespaced' : ''}${kind}${capital(name)}${suffix}`;
  const description = `connect ${method.toUpperCase()} requests to ${name} of ${kind}`;
  return { method, action: 'connect', id, description, parameters, answers: { 200: { type: 'string' } } };
}

/** `rbac.authorization.k8s.io`, `v1` → `RbacAuthorizationV1`. */
function groupIdOf(group: string, version: string): string {
  const labels = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.');
  return [...labels, version].map(capital).join('');
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function idOf({ resource, groupId }: Place, verb: string, suffix = ''): string {
  const { kind, namespaced } = resource.info;
  return `${verb}${groupId}${namespaced ? 'Namespaced' : ''}${kind}${suffix}`;
}

function add(paths: Paths, at: string, parameters: readonly Parameter[], operations: readonly Operation[], { resource }: Place, gvk: GroupVersionKind = resource.info): void {
  if (operations.length === 0) return;
  const { group, version, kind } = gvk;
  const tags = [resource.info.group === '' ? `core_${resource.info.version}` : `${groupTag(resource.info.group)}_${resource.info.version}`];
  // What all operations take stands with the path.
  const common = operations[0]!.parameters.filter((parameter) => operations.every((one) => one.parameters.includes(parameter)));
  const item: Schema = { parameters: [...parameters, ...common] };
  for (const { method, action, id, description, parameters: own, body, answers } of operations) {
    item[method] = {
      tags,
      description,
      operationId: id,
      parameters: own.filter((parameter) => !common.includes(parameter)),
      ...(body === undefined ? {} : { requestBody: method === 'patch' ? patchBody(body) : { content: { '*/*': { schema: body } }, ...(method === 'delete' ? {} : { required: true }) } }),
      responses: { ...Object.fromEntries(Object.entries(answers).map(([code, schema]) => [code, answer(code, schema, action)])), 401: { description: 'Unauthorized' } },
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': { group, version, kind },
    };
  }
  paths[at] = item;
}

const groupTag = (group: string) => group.replace(/\.k8s\.io$/, '').split('.').map((label, index) => (index === 0 ? label : capital(label))).join('');

function patchBody(schema: Schema): Schema {
  return { content: Object.fromEntries(PATCH_TYPES.map((type) => [type, { schema }])), required: true };
}

/** A log. */
const TEXT: Schema = { type: 'string' };
const WORDS: Readonly<Record<string, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

function answer(code: string, schema: Schema, action: string): Schema {
  const types = action === 'connect' ? ['*/*'] : ['application/json', 'application/yaml', ...(action === 'list' ? ['application/json;stream=watch'] : []), ...(schema === TEXT ? ['text/plain'] : [])];
  return { description: WORDS[code], content: Object.fromEntries(types.map((type) => [type, { schema }])) };
}

function collectionOperations(place: Place): Operation[] {
  const { resource, components } = place;
  const { info, verbs } = resource;
  const operations: Operation[] = [];
  if (verbs.includes('list')) operations.push(listOperation(place, idOf(place, 'list')));
  if (verbs.includes('create')) {
    const object = components.kind(gvkOf(info));
    operations.push({
      method: 'post',
      action: 'post',
      id: idOf(place, 'create'),
      description: `create a ${info.kind}`,
      parameters: [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION],
      body: object,
      answers: { 200: object, 201: object, 202: object },
    });
  }
  if (verbs.includes('deletecollection')) {
    operations.push({
      method: 'delete',
      action: 'deletecollection',
      id: `delete${place.groupId}Collection${info.namespaced ? 'Namespaced' : ''}${info.kind}`,
      description: `delete collection of ${info.kind}`,
      parameters: DELETE_COLLECTION,
      body: components.meta('V1DeleteOptions'),
      answers: { 200: components.meta('V1Status') },
    });
  }
  return operations;
}

function gvkOf({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, version, kind };
}

function listOperation({ resource, components }: Place, id: string): Operation {
  const { info } = resource;
  return {
    method: 'get',
    action: 'list',
    id,
    description: `list or watch objects of kind ${info.kind}`,
    parameters: LIST,
    answers: { 200: components.listOf(gvkOf(info)) },
  };
}

function objectOperations(place: Place): Operation[] {
  const { resource, components } = place;
  const { info, verbs } = resource;
  const operations = writeOperations(place, { verbs, gvk: gvkOf(info), suffix: '', what: `the specified ${info.kind}` });
  if (!verbs.includes('delete')) return operations;
  const answered = answersDeleted(info) ? components.kind(gvkOf(info)) : components.meta('V1Status');
  const deletion: Operation = {
    method: 'delete',
    action: 'delete',
    id: idOf(place, 'delete'),
    description: `delete a ${info.kind}`,
    parameters: DELETE,
    body: components.meta('V1DeleteOptions'),
    answers: { 200: answered, 202: answered },
  };
  return [...operations, deletion];
}

function subresourceOperations(place: Place, { name, body, verbs }: DocumentedSubresource): Operation[] {
  const suffix = capital(name);
  const { info } = place.resource;
  const gvk = gvkOf(body);
  const operations = writeOperations(place, { verbs, gvk, suffix, what: `${name} of the specified ${info.kind}` });
  if (!verbs.includes('create')) return operations;
  const object = place.components.kind(gvk);
  const creation: Operation = {
    method: 'post',
    action: 'post',
    id: idOf(place, 'create', suffix),
    description: `create ${name} of a ${info.kind}`,
    parameters: [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION],
    body: object,
    answers: { 200: object, 201: object, 202: object },
  };
  return [...operations, creation];
}

interface Writes {
  readonly verbs: readonly string[];
  readonly gvk: GroupVersionKind;
  readonly suffix: string;
  readonly what: string;
}

/** Get, update and patch, of an object or of a part of it. */
function writeOperations(place: Place, { verbs, gvk, suffix, what }: Writes): Operation[] {
  const operations: Operation[] = [];
  if (verbs.includes('get')) {
    const isLog = suffix === 'Log';
    operations.push({
      method: 'get',
      action: 'get',
      id: idOf(place, 'read', suffix),
      description: `read ${what}`,
      parameters: isLog ? LOG : [],
      answers: { 200: isLog ? TEXT : place.components.kind(gvk) },
    });
  }
  if (verbs.includes('update')) {
    const object = place.components.kind(gvk);
    const parameters = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
    operations.push({ method: 'put', action: 'put', id: idOf(place, 'replace', suffix), description: `replace ${what}`, parameters, body: object, answers: { 200: object, 201: object } });
  }
  if (verbs.includes('patch')) {
    const object = place.components.kind(gvk);
    const parameters = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE];
    const body = place.components.patch();
    operations.push({ method: 'patch', action: 'patch', id: idOf(place, 'patch', suffix), description: `partially update ${what}`, parameters, body, answers: { 200: object, 201: object } });
  }
  return operations;
}
