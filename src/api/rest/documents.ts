/**
 * What is asked beside resources: discovery, schemas, version, health, metrics and the keys of tokens. Some of it takes
 * GET alone; the rest answers any method as if it were that, and HEAD with the head of it. Both are as in kube-apiserver.
 */
import { assert } from '../../base/assert.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import { methodNotAllowed, unknownResource } from '../../kube/errors.ts';
import type { ServiceAccountTokens } from '../access/service-accounts.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions, type ServedResource } from '../core/discovery.ts';
import { aggregatedVersion, negotiate, notAcceptable, parseAccept } from './core/negotiation.ts';
import type { HealthCheck, Route } from './core/routes.ts';
import type { Exchange } from './exchange.ts';
import type { RestMetrics } from './metrics.ts';
import type { OpenApiDocuments } from '../openapi.ts';

/** kubectl asks in this form alone, under the older or the newer name. */
const OPENAPI_V2_PROTOBUF: ReadonlySet<string> = new Set([
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
]);

export interface Check {
  readonly name: string;
  readonly isGood: () => boolean;
}

export interface DocumentsOptions {
  readonly served: () => readonly ServedResource[];
  readonly openApi: OpenApiDocuments;
  readonly tokens: ServiceAccountTokens | undefined;
  readonly metrics: RestMetrics;
  readonly checks: Readonly<Record<HealthCheck, readonly Check[]>>;
  readonly version: VersionInfo;
  /** Where clients find this server, such as `https://127.0.0.1:6443`. */
  readonly address: () => string;
}

export interface VersionInfo {
  readonly major: string;
  readonly minor: string;
  readonly gitVersion: string;
  readonly gitCommit: string;
  readonly gitTreeState: string;
  readonly buildDate: string;
  readonly goVersion: string;
  readonly compiler: string;
  readonly platform: string;
}

export type DocumentRoute = Exclude<Route, { kind: 'resource' | 'none' }>;

export class Documents {
  readonly #options: DocumentsOptions;

  constructor(options: DocumentsOptions) {
    this.#options = options;
  }

  async serve(exchange: Exchange, route: DocumentRoute): Promise<void> {
    const { openApi, tokens, metrics, version, address } = this.#options;
    const { reply } = exchange;
    switch (route.kind) {
      case 'discovery':
        return this.#discovery(exchange, route);
      case 'openapi': {
        const document = route.groupVersion === '' ? await openApi.index() : await openApi.document(route.groupVersion);
        if (document === undefined) throw unknownResource();
        return reply.send(200, document, 'json');
      }
      case 'openapi-v2':
        return this.#openApiV2(exchange);
      case 'version':
        requireGet(exchange);
        return reply.send(200, version, 'json');
      case 'health':
        return this.#health(exchange, route);
      case 'metrics':
        return reply.sendBytes(200, fromUtf8(await metrics.registry.text()), { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' });
      case 'jwks':
        if (tokens === undefined) throw unknownResource();
        requireGet(exchange);
        return reply.send(200, tokens.jwks, 'json', { 'Content-Type': 'application/jwk-set+json' });
      case 'issuer':
        if (tokens === undefined) throw unknownResource();
        requireGet(exchange);
        return reply.send(200, tokens.openIdConfiguration(`${address()}/openid/v1/jwks`), 'json');
      case 'root':
        return reply.send(200, { paths: this.#paths() }, 'json');
    }
  }

  /**
   * There are no schemas in the older form: it says so by naming none. kubectl looks here for kinds that the newer one does
   * not have, and understands that there are none, where it would take a 404 for a failure.
   */
  async #openApiV2({ reply, headers }: Exchange): Promise<void> {
    const info = { title: 'Podium', version: this.#options.version.gitVersion };
    const accepted = parseAccept(headers['accept'] ?? '*/*').find(({ type }) => OPENAPI_V2_PROTOBUF.has(type) || type === 'application/json' || type === '*/*');
    if (accepted === undefined) throw notAcceptable();
    if (!OPENAPI_V2_PROTOBUF.has(accepted.type)) return reply.send(200, { swagger: '2.0', info, paths: {}, definitions: {} }, 'json');
    await reply.sendBytes(200, emptyDocument(info), { 'Content-Type': 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' });
  }

  async #discovery(exchange: Exchange, { group, version }: Extract<Route, { kind: 'discovery' }>): Promise<void> {
    const { reply, headers } = exchange;
    const served = this.#options.served();
    const document = this.#document(served, group, version);
    // The lists of groups, and of a group's versions, are answered whatever the method.
    if (group === '' || version !== undefined) requireGet(exchange);
    const aggregated = version === undefined && (group === undefined || group === '') ? aggregatedVersion(headers['accept']) : undefined;
    if (aggregated !== undefined) {
      const all = aggregatedDiscovery(served, group === '' ? 'core' : 'groups', aggregated);
      const type = `application/json;g=apidiscovery.k8s.io;v=${aggregated};as=APIGroupDiscoveryList`;
      return reply.send(200, all, 'json', { 'Content-Type': type, Vary: 'Accept' });
    }
    const { format } = negotiate(headers['accept'], { shapes: 'plain' });
    await reply.send(200, document, format, { Vary: 'Accept' });
  }

  #document(served: readonly ServedResource[], group: string | undefined, version: string | undefined): object {
    if (group === undefined) return apiGroupList(served);
    if (group === '' && version === undefined) return apiVersions(new URL(this.#options.address()).host);
    const document = version === undefined ? apiGroup(served, group) : apiResourceList(served, group, version);
    if (document === undefined) throw unknownResource();
    return document;
  }

  async #health({ reply, query }: Exchange, { check, one }: Extract<Route, { kind: 'health' }>): Promise<void> {
    const all = this.#options.checks[check];
    const chosen = one === '' ? all.filter(({ name }) => !query.getAll('exclude').includes(name)) : all.filter(({ name }) => name === one);
    if (one !== '' && chosen.length === 0) throw unknownResource();
    const failed = chosen.filter(({ isGood }) => !isGood());
    const lines = chosen.map((each) => (failed.includes(each) ? `[-]${each.name} failed: reason withheld` : `[+]${each.name} ok`));
    const isBad = failed.length > 0;
    const text = isBad || query.has('verbose') ? `${lines.join('\n')}\n${check} check ${isBad ? 'failed' : 'passed'}\n` : 'ok';
    await reply.sendBytes(isBad ? 500 : 200, fromUtf8(text), { 'Content-Type': 'text/plain; charset=utf-8', 'X-Content-Type-Options': 'nosniff' });
  }

  #paths(): readonly string[] {
    const groups = this.#options.served().flatMap(({ info }) => (info.group === '' ? [] : [`/apis/${info.group}`, `/apis/${info.group}/${info.version}`]));
    const health = Object.entries(this.#options.checks).flatMap(([check, all]) => [`/${check}`, ...all.map(({ name }) => `/${check}/${name}`)]);
    return [...new Set(['/.well-known/openid-configuration', '/api', '/api/v1', '/apis', ...groups, ...health, '/metrics', '/openapi/v3', '/openid/v1/jwks', '/version'])].sort();
  }
}

/** OpenAPI's own message for a document of version 2: `swagger` is its field 1, `info` 2, `paths` 8. */
function emptyDocument({ title, version }: { readonly title: string; readonly version: string }): Uint8Array {
  const field = (number: number, content: Uint8Array) => Buffer.concat([Uint8Array.of(number * 8 + 2, content.length), content]);
  assert(version.length < 100, 'a length of one byte is enough');
  return Buffer.concat([
    field(1, fromUtf8('2.0')),
    field(2, Buffer.concat([field(1, fromUtf8(title)), field(2, fromUtf8(version))])),
    field(8, new Uint8Array()),
  ]);
}

function requireGet({ method }: Exchange): void {
  if (method !== 'GET') throw methodNotAllowed();
}
