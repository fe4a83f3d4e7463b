/** `Api` over podium.api.v1.Resources, on a real port: calls, and the `metav1.Status` in the details of a refusal. */
import { fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { Encoding, PatchType as WirePatchType, Resources, type ApiObject } from '../../src/proto/api.ts';
import { RpcError, type Channel } from '../../src/proto/rpc.ts';
import { decodeStatusDetails, structToJson } from '../../src/proto/struct.ts';
import type { Init } from '../../src/proto/wire.ts';
import {
  ApiWatch,
  Refused,
  statusOf,
  type Api,
  type At,
  type DeleteQuery,
  type Doc,
  type ListDoc,
  type ListQuery,
  type PatchType,
  type Selectors,
  type StatusDoc,
  type TableDoc,
  type WatchQuery,
  type WriteQuery,
  type Written,
} from './api.ts';

const PATCHES = { json: WirePatchType.JSON_PATCH, merge: WirePatchType.MERGE, strategic: WirePatchType.STRATEGIC } as const;
const { methods } = Resources;
const encoding = Encoding.JSON;

export class GrpcApi implements Api {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  async get(ref: At, query: { readonly resourceVersion?: string } = {}): Promise<Doc> {
    return docOf((await refusing(this.channel.unary(methods.get, { ref, encoding, ...query }))).object);
  }

  async list(ref: At, query: ListQuery = {}): Promise<ListDoc> {
    const { resourceVersion, continue: token, remainingItemCount, items } = await refusing(this.channel.unary(methods.list, { ref, encoding, ...query }));
    return { resourceVersion, continue: token, remainingItemCount, items: items.map(docOf) };
  }

  async table(ref: At, query: ListQuery = {}): Promise<TableDoc> {
    const asTable = { ref, encoding, asTable: true };
    if (ref.name !== '') return docOf((await refusing(this.channel.unary(methods.get, asTable))).object) as unknown as TableDoc; // as asked
    const { items } = await refusing(this.channel.unary(methods.list, { ...asTable, ...query }));
    return docOf(items[0]) as unknown as TableDoc; // as asked
  }

  watch(ref: At, query: WatchQuery = {}): ApiWatch {
    return this.#watch({ ref, encoding, ...query });
  }

  watchTable(ref: At, query: WatchQuery = {}): ApiWatch {
    return this.#watch({ ref, encoding, asTable: true, ...query });
  }

  #watch(request: Parameters<typeof methods.watch.request.encode>[0]): ApiWatch {
    const controller = new AbortController();
    const watch = new ApiWatch(() => controller.abort());
    const run = async () => {
      try {
        for await (const { type, object } of this.channel.serverStream(methods.watch, request, { signal: controller.signal })) {
          watch.push({ type, object: docOf(object) });
        }
      } catch (error) {
        if (!controller.signal.aborted) watch.push({ type: 'ERROR', object: statusIn(error) as unknown as Doc }); // a Status
      }
      watch.end();
    };
    run().catch((error: unknown) => watch.fail(error));
    return watch;
  }

  async create(ref: At, body: object, query: WriteQuery = {}): Promise<Written> {
    return writtenOf(await refusing(this.channel.unary(methods.create, { ref, encoding, object: json(body), ...query })));
  }

  async update(ref: At, body: object, query: WriteQuery = {}): Promise<Written> {
    return writtenOf(await refusing(this.channel.unary(methods.update, { ref, encoding, object: json(body), ...query })));
  }

  async patch(ref: At, type: PatchType, body: unknown, query: WriteQuery = {}): Promise<Written> {
    const patch = { case: 'patchJson' as const, value: fromUtf8(JSON.stringify(body)) };
    return writtenOf(await refusing(this.channel.unary(methods.patch, { ref, encoding, patchType: PATCHES[type], patch, ...query })));
  }

  async apply(ref: At, body: object, { fieldValidation: _, ...query }: WriteQuery & { readonly force?: boolean }): Promise<Written> {
    return writtenOf(await refusing(this.channel.unary(methods.apply, { ref, encoding, object: json(body), ...query })));
  }

  async delete(ref: At, query: DeleteQuery = {}): Promise<Doc> {
    return docOf((await refusing(this.channel.unary(methods.delete, { ref, encoding, ...query }))).object);
  }

  async deleteCollection(ref: At, { preconditions: _, ...query }: DeleteQuery & Selectors = {}): Promise<readonly Doc[]> {
    const { items } = await refusing(this.channel.unary(methods.deleteCollection, { ref, encoding, ...query }));
    return items.map(docOf);
  }

  close(): void {
    this.channel.close();
  }
}

const json = (body: object): Init<ApiObject> => ({ encoding: { case: 'json', value: fromUtf8(JSON.stringify(body)) } });

function docOf(object: ApiObject | undefined): Doc {
  const encoded = object?.encoding;
  if (encoded === undefined) throw new Error('the answer has no object');
  // What the server says an object is.
  return (encoded.case === 'json' ? JSON.parse(toUtf8(encoded.value)) : structToJson(encoded.value)) as Doc;
}

function writtenOf({ object, warnings }: { readonly object: ApiObject | undefined; readonly warnings: readonly string[] }): Written {
  return { object: docOf(object), warnings };
}

async function refusing<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new Refused(statusIn(error));
  }
}

/** An error that carries no Status is no refusal, and is thrown on. */
function statusIn(error: unknown): StatusDoc {
  if (!(error instanceof RpcError) || error.details === undefined) throw error;
  return statusOf(decodeStatusDetails(error.details));
}
