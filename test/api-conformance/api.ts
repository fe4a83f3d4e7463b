/**
 * The API server as a case asks it, whichever face answers: verbs over JSON documents, refusals as the `metav1.Status`
 * that came. rest-api.ts and grpc-api.ts implement it; what one face alone has (raw paths, headers) is not in here.
 */
import { systemClock } from '../../src/base/system-clock.ts';

/** What cases look at in any document; which of it there is, each case says. */
export interface Doc {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: Meta;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status: unknown;
  readonly data: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export interface Meta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp: string;
  readonly deletionGracePeriodSeconds: number;
  readonly finalizers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly managedFields: readonly { readonly manager: string; readonly operation: string; readonly subresource: string; readonly fieldsV1: object }[];
  readonly [field: string]: unknown;
}

export interface StatusDoc {
  readonly kind: 'Status';
  readonly metadata: { readonly continue?: string };
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
}

/** As a Table has it. */
export interface TableDoc {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: Meta;
  readonly columnDefinitions: readonly { readonly name: string; readonly type: string; readonly format: string; readonly priority: number }[] | null;
  readonly rows: readonly { readonly cells: readonly unknown[]; readonly object: Doc | null }[];
}

export interface At {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Empty: cluster scoped, or all namespaces. */
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

export interface ListDoc {
  readonly resourceVersion: string;
  /** Empty: that was all. */
  readonly continue: string;
  readonly remainingItemCount: number | undefined;
  readonly items: readonly Doc[];
}

export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListQuery extends Selectors {
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
}

export interface WatchQuery extends Selectors {
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: string;
  readonly allowWatchBookmarks?: boolean;
  readonly sendInitialEvents?: boolean;
  readonly timeoutSeconds?: number;
}

export interface WriteQuery {
  readonly fieldManager?: string;
  readonly dryRun?: boolean;
  /** '': the face's own default. */
  readonly fieldValidation?: string;
}

export interface DeleteQuery {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly dryRun?: boolean;
}

export interface Written {
  /** The object; of REST's deletions and some subresources a Status. */
  readonly object: Doc;
  readonly warnings: readonly string[];
}

export type PatchType = 'json' | 'merge' | 'strategic';

export interface Api {
  get(at: At, query?: { readonly resourceVersion?: string }): Promise<Doc>;
  list(at: At, query?: ListQuery): Promise<ListDoc>;
  /** A list, or with a name one object, as a Table. */
  table(at: At, query?: ListQuery): Promise<TableDoc>;
  watch(at: At, query?: WatchQuery): ApiWatch;
  watchTable(at: At, query?: WatchQuery): ApiWatch;
  create(at: At, body: object, query?: WriteQuery): Promise<Written>;
  update(at: At, body: object, query?: WriteQuery): Promise<Written>;
  patch(at: At, type: PatchType, body: unknown, query?: WriteQuery): Promise<Written>;
  apply(at: At, body: object, query: WriteQuery & { readonly force?: boolean }): Promise<Written>;
  /** REST answers a Status where nothing of the object is left, gRPC the object as it was. */
  delete(at: At, query?: DeleteQuery): Promise<Doc>;
  deleteCollection(at: At, query?: DeleteQuery & Selectors): Promise<readonly Doc[]>;
  close(): void;
}

export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: StatusDoc;

  constructor(status: StatusDoc) {
    super(textOf(status));
    this.status = status;
  }
}

/** `410 Expired: too old` */
export function textOf({ code, reason, message }: StatusDoc): string {
  return `${code} ${reason}: ${message}`;
}

/** The Status with which it was refused. */
export async function refusedWith(run: Promise<unknown>): Promise<StatusDoc> {
  try {
    await run;
  } catch (error) {
    if (error instanceof Refused) return error.status;
    throw error;
  }
  throw new Error('it was not refused');
}

export async function refusal(run: Promise<unknown>): Promise<string> {
  return textOf(await refusedWith(run));
}

export interface Frame {
  readonly type: string;
  /** Of an ERROR it is a Status. */
  readonly object: Doc;
}

const PATIENCE_MS = 10_000;

/**
 * The frames of one watch. A refusal before the first event and an ERROR in the stream are the same to a case (and to a
 * reflector): a frame of type ERROR, after which nothing comes.
 */
export class ApiWatch {
  readonly #frames: Frame[] = [];
  readonly #close: () => void;
  #wake: () => void = () => {};
  #isOver = false;
  #failure: unknown;

  constructor(close: () => void) {
    this.#close = close;
  }

  push(frame: Frame): void {
    this.#frames.push(frame);
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Of the way to the server, or of the test itself. */
  fail(error: unknown): void {
    this.#failure = error;
    this.end();
  }

  close(): void {
    this.#close();
  }

  /** undefined: the watch is over. */
  async next(withinMs = PATIENCE_MS): Promise<Frame | undefined> {
    const untilMs = systemClock.monotonic() + withinMs;
    while (this.#frames.length === 0 && !this.#isOver) {
      const leftMs = untilMs - systemClock.monotonic();
      if (leftMs <= 0) throw new Error(`no event within ${withinMs} ms, and the watch is not over`);
      await new Promise<void>((resolve) => {
        const timer = systemClock.setTimer(leftMs, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    if (this.#frames.length === 0 && this.#failure !== undefined) throw this.#failure;
    return this.#frames.shift();
  }

  /** `ADDED name` of the next; past its end `END`, and nothing more. */
  async take(count: number): Promise<string[]> {
    const taken: string[] = [];
    while (taken.length < count && taken.at(-1) !== 'END') taken.push(lineOf(await this.next()));
    return taken;
  }

  /** The next event that is none of the bookmarks that may come at any time. */
  async event(): Promise<Frame> {
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error('the watch is over');
      if (frame.type !== 'BOOKMARK') return frame;
    }
  }

  /** The Status with which it ended; events before it are an error of the case. */
  async refused(): Promise<StatusDoc> {
    const frame = await this.next();
    if (frame?.type !== 'ERROR') throw new Error(`not refused, but ${lineOf(frame)}`);
    return statusOf(frame.object);
  }

  async refusal(): Promise<string> {
    return textOf(await this.refused());
  }

  /** All that still comes until its end. */
  async rest(): Promise<string[]> {
    const taken: string[] = [];
    for (let frame = await this.next(); frame !== undefined; frame = await this.next()) taken.push(lineOf(frame));
    return taken;
  }
}

export function lineOf(frame: Frame | undefined): string {
  if (frame === undefined) return 'END';
  if (frame.type === 'ERROR') return `ERROR ${textOf(statusOf(frame.object))}`;
  return frame.type === 'BOOKMARK' ? 'BOOKMARK' : `${frame.type} ${frame.object.metadata.name}`;
}

export function statusOf(object: unknown): StatusDoc {
  const status = object as StatusDoc; // decoded from the wire
  if (status.kind !== 'Status') throw new Error(`not a Status: ${JSON.stringify(object)}`);
  return status;
}
