/** `Api` over Kubernetes' REST paths, on a real port by HTTP/2: what a client library does, and no more. */
import type { Answer, RestClient, Sent } from '../api/rest/fixture.ts';
import {
  ApiWatch,
  Refused,
  statusOf,
  type Api,
  type At,
  type DeleteQuery,
  type Doc,
  type Frame,
  type ListDoc,
  type ListQuery,
  type PatchType,
  type Selectors,
  type TableDoc,
  type WatchQuery,
  type WriteQuery,
  type Written,
} from './api.ts';

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

const PATCHES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};
export const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

/** Where it is, with its query. */
export function pathOf({ group, version, resource, namespace, name, subresource }: At, query: Query = {}): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const parts = [root, ...(namespace === '' ? [] : ['namespaces', namespace]), resource, name, subresource];
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const text = new URLSearchParams(pairs.map(([key, value]): [string, string] => [key, String(value)])).toString();
  return parts.filter((part) => part !== '').join('/') + (text === '' ? '' : `?${text}`);
}

export class RestApi implements Api {
  readonly client: RestClient;

  constructor(client: RestClient) {
    this.client = client;
  }

  async get(at: At, query: { readonly resourceVersion?: string } = {}): Promise<Doc> {
    return docOf(await this.client.get(pathOf(at, { ...query })));
  }

  async list(at: At, query: ListQuery = {}): Promise<ListDoc> {
    const { metadata, items } = docOf(await this.client.get(pathOf(at, { ...query })));
    const { resourceVersion, continue: token = '', remainingItemCount } = metadata as Partial<ListDoc>; // ListMeta
    return { resourceVersion: resourceVersion ?? '', continue: token, remainingItemCount, items: items as readonly Doc[] }; // a list's
  }

  async table(at: At, query: ListQuery = {}): Promise<TableDoc> {
    return docOf(await this.client.get(pathOf(at, { ...query }), { accept: TABLE })) as unknown as TableDoc; // as asked
  }

  watch(at: At, query: WatchQuery = {}, headers: Readonly<Record<string, string>> = {}): ApiWatch {
    // A watch of one object is a watch of its collection, as clients ask for it.
    const fieldSelector = [query.fieldSelector ?? '', at.name === '' ? '' : `metadata.name=${at.name}`].filter((text) => text !== '').join(',');
    return this.watchPath(pathOf({ ...at, name: '' }, { ...query, fieldSelector, watch: true }), headers);
  }

  watchTable(at: At, query: WatchQuery = {}): ApiWatch {
    return this.watch(at, query, { accept: TABLE });
  }

  watchPath(path: string, headers: Readonly<Record<string, string>> = {}): ApiWatch {
    const stream = this.client.stream('GET', path, { headers });
    const watch = new ApiWatch(() => stream.close());
    const decoder = new TextDecoder();
    let status = 0;
    let rest = '';
    stream.on('error', () => {});
    const take = () => {
      if (status !== 200) return;
      const lines = rest.split('\n');
      rest = lines.pop()!;
      for (const line of lines) watch.push(JSON.parse(line) as Frame);
    };
    // What comes together with the head may be told before it.
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      take();
    });
    stream.on('data', (chunk: Buffer) => {
      rest += decoder.decode(chunk, { stream: true });
      take();
    });
    stream.on('close', () => {
      // A refusal is a Status.
      if (status !== 200 && rest !== '') watch.push({ type: 'ERROR', object: JSON.parse(rest) as Doc });
      watch.end();
    });
    return watch;
  }

  create(at: At, body: object, query: WriteQuery = {}): Promise<Written> {
    return this.#write('POST', at, { body }, queryOf(query));
  }

  update(at: At, body: object, query: WriteQuery = {}): Promise<Written> {
    return this.#write('PUT', at, { body }, queryOf(query));
  }

  patch(at: At, type: PatchType, body: unknown, query: WriteQuery = {}): Promise<Written> {
    return this.#write('PATCH', at, { body, type: PATCHES[type] }, queryOf(query));
  }

  apply(at: At, body: object, { force, ...query }: WriteQuery & { readonly force?: boolean }): Promise<Written> {
    return this.#write('PATCH', at, { body, type: 'application/apply-patch+yaml' }, { ...queryOf(query), force });
  }

  async delete(at: At, query: DeleteQuery = {}): Promise<Doc> {
    return docOf(await this.client.request('DELETE', pathOf(at), deletion(query)));
  }

  async deleteCollection(at: At, { labelSelector, fieldSelector, ...query }: DeleteQuery & Selectors = {}): Promise<readonly Doc[]> {
    const answer = await this.client.request('DELETE', pathOf(at, { labelSelector, fieldSelector }), deletion(query));
    return docOf(answer)['items'] as readonly Doc[]; // a list's
  }

  close(): void {
    this.client.close();
  }

  async #write(method: string, at: At, sent: Sent, query: Query): Promise<Written> {
    const answer = await this.client.request(method, pathOf(at, query), sent);
    return { object: docOf(answer), warnings: warningsOf(answer) };
  }
}

/** The document of an answer; anything but success is thrown as what it says. */
export function docOf({ status, body, text }: Answer): Doc {
  if (status >= 200 && status < 300) return body as unknown as Doc; // JSON was asked for
  if (body === undefined) throw new Error(`${status} without a Status: ${text}`);
  throw new Refused(statusOf(body));
}

export function warningsOf({ headers }: Answer): readonly string[] {
  const { warning } = headers;
  if (warning === undefined) return [];
  const all = Array.isArray(warning) ? warning.join(', ') : warning;
  return [...all.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text]) => text!.replace(/\\(.)/g, '$1'));
}

function queryOf({ fieldManager, dryRun, fieldValidation }: WriteQuery): Query {
  return { fieldManager, fieldValidation, dryRun: dryRun === true ? 'All' : undefined };
}

function deletion({ dryRun, ...options }: DeleteQuery): Sent {
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...options, ...(dryRun === true ? { dryRun: ['All'] } : {}) };
  return { body };
}
