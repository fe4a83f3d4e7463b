/**
 * The verbs of resources: from a request to a call of the registry, and from what it answers to bytes. Decides nothing
 * that another face would decide as well.
 */
import { ApiError, badRequest, forbiddenField, invalidObject, methodNotAllowed, unknownResource } from '../../kube/errors.ts';
import { isRecord, type KubeObject } from '../../kube/types.ts';
import type { Kind } from '../kinds/kind.ts';
import type { PodLogs } from '../pod-logs.ts';
import type { ComputedKinds } from '../computed.ts';
import type { PodStreams } from '../pod-streams.ts';
import type { Registry } from '../registry.ts';
import type { Ref, WriteOptions } from '../requests.ts';
import type { Reviews } from '../reviews.ts';
import { jsonBytes } from '../watch-cache.ts';
import { answersDeleted } from '../core/answers.ts';
import { podOfBinding } from '../core/subresource.ts';
import { columnDefinitionsOf, columnsOfAnswer, partialOf, rowOf } from '../core/table.ts';
import { parseBody, type ParsedBody } from './body.ts';
import { ConnectFace, connectKind } from './connect.ts';
import { MEDIA_TYPES, bodyFormat, negotiate, notAcceptable, patchFormat, type Negotiated } from './core/negotiation.ts';
import { deleteOptions, includeObject, listOptions, logOptions, watchOptions, writeOptions } from './core/query.ts';
import type { Route, Verb } from './core/routes.ts';
import type { Exchange } from './exchange.ts';
import { listChunks, listDocument, type Showing } from './lists.ts';
import { isProxy, ProxyFace } from './proxy.ts';
import { EventEncoders, writeExpired, writeWatch, type WatchEnd, type WatchWorld } from './watches.ts';

export type ResourceRoute = Extract<Route, { kind: 'resource' }>;

/** Whoever asks for one of these is told, whatever comes of it; in Kubernetes' words. */
const DEPRECATED: Readonly<Record<string, string>> = {
  componentstatuses: 'v1 ComponentStatus is deprecated in v1.19+',
  endpoints: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
};

export interface ResourceFaceOptions {
  readonly registry: Registry;
  readonly logs: PodLogs;
  readonly streams: PodStreams;
  readonly reviews: Reviews;
  readonly computed: ComputedKinds;
  readonly world: WatchWorld;
  readonly random: { between(low: number, high: number): number };
  readonly onWatchEnd: (ref: Ref, end: WatchEnd) => void;
}

export class ResourceFace {
  readonly #options: ResourceFaceOptions;
  readonly #encoders: EventEncoders;
  readonly #connect: ConnectFace;
  readonly #proxy: ProxyFace;

  constructor(options: ResourceFaceOptions) {
    this.#options = options;
    this.#connect = new ConnectFace(options.streams);
    this.#proxy = new ProxyFace(options);
    this.#encoders = new EventEncoders(options.world.clock);
  }

  async serve(exchange: Exchange, { ref, isWatchPath, rest }: ResourceRoute, verb: Verb): Promise<void> {
    const { registry, reviews, computed } = this.#options;
    const path = ref.subresource === '' ? ref.resource : `${ref.resource}/${ref.subresource}`;
    const deprecation = ref.group === '' && ref.version === 'v1' ? DEPRECATED[ref.resource] : undefined;
    if (deprecation !== undefined) exchange.reply.warnings.push(deprecation);
    if (isProxy(ref)) return this.#proxy.serve(exchange, ref, rest);
    const connection = connectKind(ref);
    if (connection !== undefined) return this.#connect.serve(exchange, ref, { kind: connection, verb });
    if (reviews.has(ref)) return this.#review(exchange, ref, verb);
    if (computed.has(ref)) return this.#computed(exchange, ref, verb);
    if (podOfBinding(ref) !== undefined) return this.#bind(exchange, { ref, isWatchPath }, verb);
    const kind = registry.kindOf(ref);
    checkPlace(kind, ref, verb);
    if (ref.group === '' && path === 'pods/log') return this.#log(exchange, ref, verb);
    switch (verb) {
      case 'get':
        return this.#get(exchange, ref);
      case 'list':
        return this.#list(exchange, ref);
      case 'watch':
        return this.#watch(exchange, ref);
      case 'create':
        return this.#create(exchange, ref);
      case 'update':
        return this.#update(exchange, ref);
      case 'patch':
        return this.#patch(exchange, ref);
      case 'delete':
        return this.#delete(exchange, ref);
      case 'deletecollection':
        return this.#deleteCollection(exchange, ref);
    }
  }

  async #get(exchange: Exchange, ref: Ref): Promise<void> {
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const object = await this.#source(ref).get(ref, exchange.query.get('resourceVersion') ?? '');
    await this.#answer(exchange, ref, negotiated, { code: 200, object });
  }

  async #list(exchange: Exchange, ref: Ref): Promise<void> {
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const options = listOptions(exchange.query);
    const showing = this.#showing(exchange, negotiated);
    const listed = await this.#source(ref).list(ref, options);
    checkMetadataOf(listed.kind, negotiated, true);
    if (negotiated.format === 'yaml') return exchange.reply.send(200, listDocument(listed, showing), 'yaml');
    await exchange.reply.sendChunks(200, listChunks(listed, showing), negotiated.contentType);
  }

  #showing(exchange: Exchange, { shape }: Negotiated): Showing {
    const { query, reply } = exchange;
    return { shape, includeObject: includeObject(query), isPretty: reply.isPretty, wallMs: this.#options.registry.wall() };
  }

  async #watch(exchange: Exchange, ref: Ref): Promise<void> {
    const { registry, world, random, onWatchEnd } = this.#options;
    const { reply, query } = exchange;
    const { format, shape } = negotiate(exchange.headers['accept'], { shapes: 'all' });
    if (format !== 'json') throw notAcceptable();
    const options = watchOptions(query);
    const kind = registry.kindOf(ref);
    const showing = { kind, shape, includeObject: includeObject(query) };
    const encoder = this.#encoders.for(showing);
    const minimum = Math.ceil(world.limits.watchTimeoutMs / 1000);
    const timeoutSeconds = options.timeoutSeconds > 0 ? options.timeoutSeconds : random.between(minimum, 2 * minimum);
    let isSlow = false;
    const opening = registry.watch(ref, { ...options, timeoutSeconds, signal: exchange.signal, onSlow: () => (isSlow = true) });
    const events = await opening.catch(expiredOnly);
    reply.open(200, { 'Content-Type': MEDIA_TYPES.json });
    if (events instanceof ApiError) onWatchEnd(ref, await writeExpired(reply, events));
    else onWatchEnd(ref, await writeWatch(reply, events, () => isSlow, encoder, world));
  }

  async #log(exchange: Exchange, ref: Ref, verb: Verb): Promise<void> {
    if (verb !== 'get') throw methodNotAllowed();
    const { reply, query } = exchange;
    const chunks = await this.#options.logs.open({ namespace: ref.namespace, name: ref.name, ...logOptions(query) }, exchange.signal);
    const iterator = chunks[Symbol.asyncIterator]();
    // What goes wrong before the first byte is still told by a Status.
    const open = () => reply.open(200, { 'Content-Type': 'text/plain' });
    const first = iterator.next();
    // A log that is followed may be silent for long: its reader shall know that it has begun.
    if (exchange.isLongRunning) await Promise.race([first.then(open), exchange.after(FOLLOW_OPEN_MS).then(open)]);
    for (let next = await first; next.done !== true; next = await iterator.next()) {
      open();
      await reply.write(next.value);
      if (reply.isOver) break;
    }
    open();
    reply.end();
    await iterator.return?.();
  }

  async #create(exchange: Exchange, ref: Ref): Promise<void> {
    const { registry } = this.#options;
    if (ref.name !== '' && ref.subresource === '') throw methodNotAllowed();
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const options = writeOptions(exchange.query, 'CreateOptions');
    const { body, duplicates } = await bodyOf(exchange);
    const written = await registry.create(ref, body, { ...this.#writeOptions(exchange, options), duplicates });
    exchange.reply.warnings.push(...written.warnings);
    await this.#answer(exchange, ref, negotiated, { code: 201, object: written.object });
  }

  /** What has no name and is nowhere read has one path. */
  async #bind(exchange: Exchange, { ref, isWatchPath }: Pick<ResourceRoute, 'ref' | 'isWatchPath'>, verb: Verb): Promise<void> {
    if (ref.name !== '' || ref.namespace === '' || isWatchPath) throw unknownResource();
    if (verb !== 'create') throw methodNotAllowed();
    return this.#create(exchange, ref);
  }

  async #update(exchange: Exchange, ref: Ref): Promise<void> {
    if (ref.name === '') throw methodNotAllowed();
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const options = writeOptions(exchange.query, 'UpdateOptions');
    const { body, duplicates } = await bodyOf(exchange);
    const written = await this.#options.registry.update(ref, body, { ...this.#writeOptions(exchange, options), duplicates });
    exchange.reply.warnings.push(...written.warnings);
    await this.#answer(exchange, ref, negotiated, { code: 200, object: written.object });
  }

  async #patch(exchange: Exchange, ref: Ref): Promise<void> {
    if (ref.name === '') throw methodNotAllowed();
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const options = writeOptions(exchange.query, 'PatchOptions');
    const format = patchFormat(exchange.headers['content-type']);
    if (options.force && format !== 'apply') {
      throw invalidObject({ group: 'meta.k8s.io', resource: '', kind: 'PatchOptions' }, '', [forbiddenField('force', 'may not be specified for non-apply patch')]);
    }
    const { body, duplicates } = await parseBody(await exchange.body(), format === 'apply' ? 'yaml' : 'json');
    const writing = this.#writeOptions(exchange, options);
    const { registry } = this.#options;
    const { force } = options;
    const written = await (format === 'apply' ? registry.apply(ref, body, { ...writing, duplicates, force, fieldManager: options.fieldManager }) : registry.patch(ref, { type: format, body }, writing));
    exchange.reply.warnings.push(...written.warnings);
    await this.#answer(exchange, ref, negotiated, { code: written.isNew === true ? 201 : 200, object: written.object });
  }

  async #delete(exchange: Exchange, ref: Ref): Promise<void> {
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const options = deleteOptions(exchange.query, await deletionBody(exchange));
    const object = await this.#options.registry.delete(ref, options);
    const isLeft = object.metadata.deletionTimestamp !== undefined;
    if (isLeft || answersDeleted(ref)) return this.#answer(exchange, ref, negotiated, { code: 200, object });
    await exchange.reply.send(200, deletedStatus(ref, object), negotiated.format);
  }

  async #deleteCollection(exchange: Exchange, ref: Ref): Promise<void> {
    const negotiated = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const { labelSelector, fieldSelector } = listOptions(exchange.query);
    const options = deleteOptions(exchange.query, await deletionBody(exchange));
    const listed = await this.#options.registry.deleteCollection(ref, { ...options, labelSelector, fieldSelector });
    await exchange.reply.sendChunks(200, listChunks(listed, this.#showing(exchange, { ...negotiated, format: 'json' })), MEDIA_TYPES.json);
  }

  async #review(exchange: Exchange, ref: Ref, verb: Verb): Promise<void> {
    if (verb !== 'create') throw methodNotAllowed();
    const { format } = negotiate(exchange.headers['accept'], { shapes: 'all' });
    const { fieldValidation } = writeOptions(exchange.query, 'CreateOptions');
    const object = await this.#options.reviews.create(ref, (await bodyOf(exchange)).body, { user: exchange.user, fieldValidation });
    await exchange.reply.send(201, object, format);
  }

  async #computed(exchange: Exchange, ref: Ref, verb: Verb): Promise<void> {
    const { info } = this.#options.computed.kindOf(ref);
    if (!info.namespaced && ref.namespace !== '') throw unknownResource();
    if (verb === 'get') return this.#get(exchange, ref);
    if (verb === 'list') return this.#list(exchange, ref);
    if (verb !== 'watch') throw methodNotAllowed();
    throw new ApiError('MethodNotAllowed', `watch is not supported on resources of kind "${ref.resource}${ref.group === '' ? '' : `.${ref.group}`}"`);
  }

  /** Who knows the objects that are read. */
  #source(ref: Ref): Pick<Registry, 'get' | 'list' | 'kindOf'> {
    const { registry, computed } = this.#options;
    return computed.has(ref) ? computed : registry;
  }

  async #answer(exchange: Exchange, ref: Ref, { format, shape, contentType }: Negotiated, { code, object }: { readonly code: number; readonly object: KubeObject }): Promise<void> {
    const { reply } = exchange;
    const isPlain = shape.as === 'object' || object.kind === 'Status';
    if (isPlain && format === 'json' && !reply.isPretty) return reply.sendBytes(code, jsonBytes(object), { 'Content-Type': contentType });
    const shown = isPlain ? object : this.#shaped(exchange, ref, { format, shape, contentType }, object);
    await reply.send(code, shown, format);
  }

  #shaped(exchange: Exchange, ref: Ref, negotiated: Negotiated, object: KubeObject): object {
    const { shape, includeObject: include, wallMs } = this.#showing(exchange, negotiated);
    if (shape.as === 'partial') {
      checkMetadataOf(this.#source(ref).kindOf(ref), negotiated, false);
      return partialOf(object, shape.version);
    }
    if (shape.as === 'object') return object;
    const columns = columnsOfAnswer(this.#source(ref).kindOf(ref), ref.subresource);
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    const rows = [rowOf(columns, { wallMs, include, version: shape.version })(object)];
    return { kind: 'Table', apiVersion: `meta.k8s.io/${shape.version}`, metadata, columnDefinitions: columnDefinitionsOf(columns), rows };
  }

  #writeOptions(exchange: Exchange, { dryRun, fieldValidation, fieldManager }: { readonly dryRun: boolean; readonly fieldValidation: NonNullable<WriteOptions['fieldValidation']>; readonly fieldManager: string }): WriteOptions {
    return { user: exchange.user, dryRun, fieldValidation, fieldManager: fieldManager === '' ? managerOf(exchange) : fieldManager };
  }
}

/** How long a followed log may be silent before its reader is told that it has begun. */
const FOLLOW_OPEN_MS = 100;
/** As Kubernetes cuts it. */
const MANAGER_LENGTH_MAX = 128;

/** Who does not say what manages the fields is known by the name of his program. */
function managerOf({ headers }: Exchange): string {
  const agent = headers['user-agent'] ?? '';
  return agent.split('/', 1)[0]!.replace(/[^\x20-\x7e]/g, '').slice(0, MANAGER_LENGTH_MAX) || 'unknown';
}

async function bodyOf(exchange: Exchange): Promise<ParsedBody> {
  const parsed = await parseBody(await exchange.body(), bodyFormat(exchange.headers['content-type']));
  if (parsed.body === undefined) throw badRequest('the body of the request is empty');
  // Nothing, said in JSON, is an object without fields.
  return { ...parsed, body: parsed.body ?? {} };
}

async function deletionBody(exchange: Exchange): Promise<Record<string, unknown> | undefined> {
  const bytes = await exchange.body();
  if (bytes.length === 0) return undefined;
  const { body } = await parseBody(bytes, bodyFormat(exchange.headers['content-type']));
  if (!isRecord(body)) throw badRequest('the body of the request is not an object');
  if (body['kind'] !== undefined && body['kind'] !== 'DeleteOptions') {
    throw badRequest(`the body of a deletion must be DeleteOptions, not ${JSON.stringify(body['kind'])}`);
  }
  return body;
}

function deletedStatus({ group, resource, name }: Ref, { metadata }: KubeObject): object {
  const details = { name, ...(group === '' ? {} : { group }), kind: resource, uid: metadata.uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

/**
 * That a version is no longer known is told in the stream, as kube-apiserver does: client-go's RetryWatcher takes an answer
 * of 410 for a passing trouble, and would ask for ever.
 */
function expiredOnly(error: unknown): ApiError {
  if (error instanceof ApiError && error.reason === 'Expired') return error;
  throw error;
}

/** Objects of a namespaced kind are listed across namespaces, and nothing else is done to them there. */
function checkPlace({ info }: Kind, { namespace, name }: Ref, verb: Verb): void {
  if (!info.namespaced && namespace !== '') throw unknownResource();
  if (!info.namespaced || namespace !== '' || verb === 'list' || verb === 'watch') return;
  throw name === '' ? methodNotAllowed() : unknownResource();
}

/** Metadata alone is asked for as that of an object or of a list. In Kubernetes' words, with its own type's name. */
function checkMetadataOf({ info }: Kind, { shape }: Negotiated, isList: boolean): void {
  if (shape.as !== 'partial' || shape.isList === isList) return;
  const type = `*${info.group === '' ? 'core' : info.group.split('.', 1)[0]}.${info.kind}${isList ? 'List' : ''}`;
  const asked = `you requested PartialObjectMetadata${shape.isList ? 'List' : ''}`;
  throw new ApiError('NotAcceptable', `${asked}, but the requested object is ${isList ? '' : 'not '}a list (${type})`);
}
