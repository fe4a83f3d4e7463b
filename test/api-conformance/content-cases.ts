/** In what form answers come: Tables, metadata alone, YAML, indented, compressed; and what is refused of that. */
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { refusedWith, type Doc, type TableDoc } from './api.ts';
import { configMap, deployment, pod } from './manifests.ts';
import { RestApi, TABLE, docOf, pathOf } from './rest-api.ts';
import type { Case, Subject } from './subject.ts';

const ONLY_REST = { grpc: 'it has no headers' };
const PARTIAL = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
const PARTIAL_LIST = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

const columns = ({ columnDefinitions }: TableDoc) => (columnDefinitions ?? []).map(({ name, priority }) => (priority > 0 ? `(${name})` : name)).join(' ');
const tableAt = async ({ rest }: Subject, path: string): Promise<TableDoc> => docOf(await rest.get(path, { accept: TABLE })) as unknown as TableDoc; // as asked
const accepting = ({ rest }: Subject, path: string, accept: string) => rest.get(path, { accept });

const tables: readonly Case[] = [
  {
    name: 'table: of a list and of one object, with the columns of its kind',
    async run({ api, at }) {
      await api.create(at('configmaps'), configMap('a', { x: '1', y: '2' }));
      await api.create(at('configmaps'), configMap('b'));
      const listed = await api.table(at('configmaps'));
      expect([listed.kind, listed.apiVersion, columns(listed)]).toEqual(['Table', 'meta.k8s.io/v1', 'Name Data Age']);
      expect(listed.columnDefinitions![0]).toMatchObject({ name: 'Name', type: 'string', format: 'name', priority: 0 });
      expect(listed.rows.map(({ cells }) => cells.slice(0, 2))).toEqual([['a', 2], ['b', 1]]);
      expect(listed.rows[0]!.object).toMatchObject({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'a' } });
      expect(listed.rows[0]!.object?.data).toBeUndefined();
      expect(Number(listed.metadata.resourceVersion)).toBeGreaterThan(0);
      const one = await api.table(at('configmaps', 'a'));
      expect([one.rows.length, one.rows[0]!.cells.slice(0, 2), one.metadata.resourceVersion]).toEqual([1, ['a', 2], (await api.get(at('configmaps', 'a'))).metadata.resourceVersion]);
      await api.create(at('pods'), pod('p'));
      await api.create(at('deployments'), deployment('d'));
      expect(columns(await api.table(at('pods')))).toBe('Name Ready Status Restarts Age (IP) (Node) (Nominated Node) (Readiness Gates)');
      expect(columns(await api.table(at('deployments')))).toBe('Name Ready Up-to-date Available Age (Containers) (Images) (Selector)');
      expect((await api.table(at('pods'))).rows[0]!.cells.slice(0, 4)).toEqual(['p', '0/1', 'Pending', '0']);
    },
  },
  {
    name: 'table: in pages, with what a list says of them',
    async run({ api, at }) {
      for (const name of ['a', 'b', 'c']) await api.create(at('configmaps'), configMap(name));
      const first = await api.table(at('configmaps'), { limit: 2 });
      const { continue: token, remainingItemCount } = first.metadata as unknown as { continue: string; remainingItemCount: number }; // ListMeta
      expect([first.rows.map(({ cells }) => cells[0]), remainingItemCount]).toEqual([['a', 'b'], 1]);
      const second = await api.table(at('configmaps'), { limit: 2, continue: token });
      expect([second.rows.map(({ cells }) => cells[0]), second.metadata.resourceVersion]).toEqual([['c'], first.metadata.resourceVersion]);
    },
  },
  {
    name: 'table: each event of a watch is one, with the columns once',
    async run({ api, at, traits }) {
      await api.create(at('configmaps'), configMap('a'));
      const watch = api.watchTable(at('configmaps'), { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true });
      const [first, mark] = [(await watch.next())!, (await watch.next())!];
      await api.create(at('configmaps'), configMap('b'));
      await api.delete(at('configmaps', 'b'));
      const [added, deleted] = [(await watch.next())!, (await watch.next())!];
      const shown = [first, added, deleted].map(({ type, object }) => ({ type, table: object as unknown as TableDoc })); // as asked
      expect(shown.map(({ type, table }) => [type, table.kind, table.rows.map(({ cells }) => cells[0]), table.rows[0]!.object?.kind])).toEqual([
        ['ADDED', 'Table', ['a'], 'PartialObjectMetadata'],
        ['ADDED', 'Table', ['b'], 'PartialObjectMetadata'],
        ['DELETED', 'Table', ['b'], 'PartialObjectMetadata'],
      ]);
      expect(columns(shown[0]!.table)).toBe('Name Data Age');
      // gRPC's are each whole, for callers that keep nothing.
      if (traits.includes('rest')) expect(shown[1]!.table.columnDefinitions).toBeNull();
      const { rows } = mark.object as unknown as TableDoc; // as asked
      expect([mark.type, mark.object.kind, rows[0]!.object?.metadata.annotations]).toEqual(['BOOKMARK', 'Table', { 'k8s.io/initial-events-end': 'true' }]);
      watch.close();
    },
  },
  {
    name: 'table: rows with nothing, metadata or the object beside them',
    not: { grpc: 'its tables have metadata beside their rows' },
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      const path = pathOf(at('configmaps'));
      for (const [include, wanted] of [['', 'PartialObjectMetadata'], ['Metadata', 'PartialObjectMetadata'], ['Object', 'ConfigMap'], ['None', undefined]] as const) {
        const query = include === '' ? '' : `?includeObject=${include}`;
        for (const place of [path, `${path}/a`]) expect([place, include, (await tableAt(subject, place + query)).rows[0]!.object?.kind]).toEqual([place, include, wanted]);
        const watch = (api as RestApi).watchPath(`${path}?watch=1${query.replace('?', '&')}`, { accept: TABLE }); // the face is REST
        const { object } = await watch.event();
        expect((object as unknown as TableDoc).rows[0]!.object?.kind).toBe(wanted); // as asked
        watch.close();
      }
      const status = await refusedWith(accepting(subject, `${path}?includeObject=All`, TABLE).then(docOf));
      expect([status.code, status.reason, status.message]).toEqual([400, 'BadRequest', `Unable to convert to Table as requested: includeObject: Invalid value: "All": must be 'Metadata', 'Object', 'None', or empty`]);
    },
  },
  {
    name: 'table: v1beta1, and a scale',
    not: ONLY_REST,
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('deployments'), deployment('d', { replicas: 3 }));
      const old = docOf(await accepting(subject, pathOf(at('deployments')), 'application/json;as=Table;v=v1beta1;g=meta.k8s.io'));
      expect([old.kind, old.apiVersion]).toEqual(['Table', 'meta.k8s.io/v1beta1']);
      const scale = await tableAt(subject, pathOf(at('deployments', 'd', 'scale')));
      expect([columns(scale), scale.rows[0]!.cells.slice(0, 3)]).toEqual(['Name Desired Available Age', ['d', 3, 0]]);
    },
  },
];

const shapes: readonly Case[] = [
  {
    name: 'metadata alone: of lists, objects and events',
    not: ONLY_REST,
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a', { x: '1' }, { labels: { l: '1' } }));
      const path = pathOf(at('configmaps'));
      const listed = docOf(await accepting(subject, path, PARTIAL_LIST));
      const partial = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'a', labels: { l: '1' } } };
      expect(listed).toMatchObject({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', items: [partial] });
      expect((listed['items'] as Doc[])[0]!.data).toBeUndefined(); // a list's
      expect(docOf(await accepting(subject, `${path}/a`, PARTIAL))).toMatchObject(partial);
      const watch = (api as RestApi).watch(at('configmaps'), { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true }, { accept: PARTIAL }); // the face is REST
      expect((await watch.next())!.object).toMatchObject(partial);
      expect((await watch.next())!).toMatchObject({ type: 'BOOKMARK', object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' } });
      watch.close();
      for (const [place, accept, message] of [
        [path, PARTIAL, 'you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)'],
        [`${path}/a`, PARTIAL_LIST, 'you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)'],
      ] as const) {
        expect(await refusedWith(accepting(subject, place, accept).then(docOf))).toMatchObject({ code: 406, reason: 'NotAcceptable', message });
      }
    },
  },
  {
    name: 'accepted: the first form that is served, by quality; any, none, and YAML',
    not: ONLY_REST,
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      const path = pathOf(at('configmaps', 'a'));
      for (const [accept, type] of [
        ['application/json', 'application/json'],
        ['*/*', 'application/json'],
        ['', 'application/json'],
        ['text/html, */*', 'application/json'],
        ['application/yaml', 'application/yaml'],
        ['application/json;q=0.5, application/yaml', 'application/yaml'],
        [`${TABLE.replace('v=v1', 'v=v9')}, application/json`, 'application/json'],
      ] as const) {
        const { status, headers, text } = await accepting(subject, path, accept);
        expect([accept, status, headers['content-type']]).toEqual([accept, 200, type]);
        expect(text).toContain('ConfigMap');
      }
    },
  },
  {
    name: '406: nothing that is served is accepted',
    not: ONLY_REST,
    async run(subject) {
      const { api, at } = subject;
      await api.create(at('configmaps'), configMap('a'));
      const path = pathOf(at('configmaps', 'a'));
      for (const accept of ['application/xml', 'text/plain', TABLE.replace('v=v1', 'v=v2'), TABLE.replace('as=Table', 'as=Foo')]) {
        const status = await refusedWith(accepting(subject, path, accept).then(docOf));
        expect([accept, status.code, status.reason]).toEqual([accept, 406, 'NotAcceptable']);
      }
      // A watch is no document.
      expect((await accepting(subject, `${pathOf(at('configmaps'))}?watch=1`, 'application/yaml')).status).toBe(406);
    },
  },
  {
    name: '415: bodies and patches of a kind that nobody reads',
    not: ONLY_REST,
    async run({ rest, api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      for (const [method, path, type] of [
        ['POST', pathOf(at('configmaps')), 'text/plain'],
        ['POST', pathOf(at('configmaps')), 'application/xml'],
        ['PUT', pathOf(at('configmaps', 'a')), 'text/plain'],
        ['PATCH', pathOf(at('configmaps', 'a')), 'application/json'],
        ['PATCH', pathOf(at('configmaps', 'a')), 'text/plain'],
      ] as const) {
        const status = await refusedWith(rest.request(method, path, { body: configMap('b'), type }).then(docOf));
        expect([method, type, status.code, status.reason]).toEqual([method, type, 415, 'UnsupportedMediaType']);
        if (method !== 'PATCH') expect(status.message).toMatch(/^the body of the request was in an unknown format - accepted media types include: application\/json, application\/yaml/);
      }
    },
  },
  {
    name: '413: a body that is larger than any object',
    not: ONLY_REST,
    async run({ rest, at }) {
      const body = configMap('a', { text: 'x'.repeat(3.2 * 1024 * 1024) });
      const status = await refusedWith(rest.request('POST', pathOf(at('configmaps')), { body }).then(docOf));
      expect([status.code, status.reason, status.message]).toEqual([413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728']);
    },
  },
  {
    name: 'compressed: what is large, for who takes it',
    not: ONLY_REST,
    async run({ rest, api, at }) {
      for (let n = 0; n < 3; n++) await api.create(at('configmaps'), configMap(`c${n}`, { text: 'x'.repeat(60_000) }));
      const path = pathOf(at('configmaps'));
      const plain = await rest.get(path);
      const packed = await rest.get(path, { 'accept-encoding': 'gzip' });
      expect([plain.headers['content-encoding'], packed.headers['content-encoding'], packed.headers['vary']]).toEqual([undefined, 'gzip', 'Accept-Encoding']);
      expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 10);
      expect((JSON.parse(gunzipSync(packed.bytes).toString()) as Doc)['items']).toEqual(docOf(plain)['items']); // a list
      const small = await rest.get(`${path}/c0`, { 'accept-encoding': 'gzip' });
      expect(small.headers['content-encoding']).toBeUndefined();
    },
  },
  {
    name: 'indented: where it is asked for, and for what people type',
    not: ONLY_REST,
    async run({ rest, api, at }) {
      await api.create(at('configmaps'), configMap('a'));
      for (const path of [pathOf(at('configmaps', 'a')), pathOf(at('configmaps'))]) {
        for (const [query, agent, isIndented] of [
          ['', 'kubectl/v1', false], ['?pretty=true', 'kubectl/v1', true], ['?pretty=1', 'kubectl/v1', true], ['?pretty=false', 'curl/8', false],
          ['', 'curl/8', true], ['', 'Wget/1', true], ['', 'Mozilla/5.0 (X11)', true],
        ] as const) {
          const { text } = await rest.get(path + query, { 'user-agent': agent });
          expect([query, agent, text.startsWith('{\n  "')]).toEqual([query, agent, isIndented]);
        }
      }
    },
  },
];

export const contentCases: readonly Case[] = [...tables, ...shapes];
