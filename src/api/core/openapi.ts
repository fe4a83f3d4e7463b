/**
 * OpenAPI v3: one document for each group and version, as `kubectl explain`, `--validate` and client-side apply ask for
 * it. Derived from what discovery shows and from the models; pure. `../openapi.ts` keeps what is made here.
 */
import { Components, type Schema, type Vocabulary } from './openapi-schemas.ts';
import { pathsOf, type DocumentedResource, type Paths } from './openapi-paths.ts';

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

/** `api/v1`, `apis/apps/v1`: how the index names a document. */
export function documentPath({ group, version }: GroupVersion): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

/** Every group and version once, in the order of their paths. */
export function groupVersionsOf(served: readonly DocumentedResource[]): readonly GroupVersion[] {
  const found = new Map(served.map(({ info: { group, version } }) => [documentPath({ group, version }), { group, version }]));
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, groupVersion]) => groupVersion);
}

export interface DocumentInput {
  readonly served: readonly DocumentedResource[];
  readonly groupVersion: GroupVersion;
  readonly vocabulary: Vocabulary;
  /** Of the server, as `/version` has it. */
  readonly serverVersion: string;
}

export function openApiDocument({ served, groupVersion, vocabulary, serverVersion }: DocumentInput): Schema {
  const components = new Components(vocabulary);
  const root = `/${documentPath(groupVersion)}`;
  const paths: Paths = {};
  for (const resource of served) {
    const { group, version } = resource.info;
    if (group === groupVersion.group && version === groupVersion.version) Object.assign(paths, pathsOf(resource, root, components));
  }
  const sorted = Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths: sorted,
    components: {
      schemas: components.all(),
      securitySchemes: { BearerToken: { description: 'Bearer Token authentication', in: 'header', name: 'authorization', type: 'apiKey' } },
    },
  };
}

/** `/openapi/v3`: where the documents are. The hash is part of the address, so that a client may keep what it has read. */
export function openApiIndex(hashes: ReadonlyMap<string, string>): object {
  const entries = [...hashes].map(([path, hash]) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]);
  return { paths: Object.fromEntries(entries) };
}
