/** What an OpenAPI document says of its operations, a line each: what is done, to what, and which parameters it takes. */
import { isRecord } from '../../../src/kube/types.ts';

const METHODS = ['get', 'put', 'post', 'patch', 'delete', 'options', 'head'];

/** Of a newer Kubernetes than the one whose API this is, of a feature that is off by default, or nobody's to use. */
const NOT_OURS: ReadonlySet<string> = new Set(['shardSelector', 'stream', 'ignoreStoreReadErrorWithClusterBreakingPotential']);

export function operationLines(document: unknown): string[] {
  const paths = Object.entries(recordAt(document, 'paths')).sort(([a], [b]) => (a < b ? -1 : 1));
  return paths.flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = recordAt(item, method);
      if (Object.keys(operation).length === 0) return [];
      const { group, version, kind } = recordAt(operation, 'x-kubernetes-group-version-kind');
      const body = Object.keys(recordAt(operation, 'requestBody')).length > 0 ? [recordAt(operation, 'requestBody')['required'] === true ? 'body' : 'body?'] : [];
      const words = [operation['operationId'], operation['x-kubernetes-action'], [group, version, kind].join('/'), ...body, ...parametersOf(item), '+', ...parametersOf(operation)];
      return [`${method} ${path}: ${words.join(' ')}`];
    }),
  );
}

/** Of a query by its name alone where it is a text. */
function parametersOf(holder: unknown): string[] {
  const all = isRecord(holder) && Array.isArray(holder['parameters']) ? holder['parameters'].filter(isRecord) : [];
  const words = all.filter(({ name }) => !NOT_OURS.has(String(name))).map((one) => {
    const type = String(recordAt(one, 'schema')['type']);
    return `${one['in'] === 'path' ? `{${String(one['name'])}}` : String(one['name'])}${type === 'string' ? '' : `:${type}`}${one['in'] !== 'path' && one['required'] === true ? '!' : ''}`;
  });
  return words.sort();
}

function recordAt(value: unknown, key: string): Record<string, unknown> {
  const found = isRecord(value) ? value[key] : undefined;
  return isRecord(found) ? found : {};
}
