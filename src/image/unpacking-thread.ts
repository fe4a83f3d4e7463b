/**
 * Unpacking in a thread of its own. It is work for the processor (hashes, packing) and for the disk, by synchronous calls that a
 * slow disk holds for long; an agent whose loop stood meanwhile would miss its probes, and with them the health of its pods.
 *
 *   this thread ──{ id, call }──► worker: DirectUnpacking
 *               ◄─{ id, outcome } | { warning }──
 *
 * Run from the sources (in a test), where a thread cannot be started from TypeScript, the same is done right here.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { AbortedError, systemErrorCode } from '../base/errors.ts';
import { systemClock } from '../base/system-clock.ts';
import { DirectUnpacking, LayerError, type LayerInput, type Unpacking, type UnpackingOptions } from './unpacking.ts';

export interface OpenUnpackingOptions extends UnpackingOptions {
  readonly signal: AbortSignal | undefined;
}

type Call =
  | { readonly kind: 'begin'; readonly base: string | undefined }
  | { readonly kind: 'apply'; readonly layer: LayerInput }
  | { readonly kind: 'finish' };

interface Failure {
  readonly isLayer: boolean;
  readonly message: string;
  readonly code: string | undefined;
}

/** One call is under way at a time. */
type Answer =
  | { readonly kind: 'done'; readonly bytes: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'warning'; readonly message: string };

interface WorkerData {
  readonly unpacking: { readonly root: string; readonly keepsOwners: boolean };
}

export function openUnpacking(options: OpenUnpackingOptions): Unpacking {
  return import.meta.url.endsWith('.ts') ? new DirectUnpacking(options) : new ThreadUnpacking(options);
}

class ThreadUnpacking implements Unpacking {
  readonly #worker: Worker;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#end(new AbortedError('unpacking an image'));
  #pending: { readonly resolve: (bytes: number) => void; readonly reject: (error: unknown) => void } | undefined;
  #ended: Error | undefined;

  constructor({ root, keepsOwners, onWarning, signal }: OpenUnpackingOptions) {
    const data: WorkerData = { unpacking: { root, keepsOwners } };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: data });
    this.#worker.on('message', (answer: Answer) => {
      if (answer.kind === 'warning') onWarning(answer.message);
      else if (answer.kind === 'done') this.#pending?.resolve(answer.bytes);
      else this.#pending?.reject(errorOf(answer.failure));
    });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', (code) => this.#end(new Error(`the thread that unpacks ended with ${code}`)));
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async begin(base: string | undefined): Promise<void> {
    await this.#call({ kind: 'begin', base });
  }

  async apply(layer: LayerInput): Promise<void> {
    await this.#call({ kind: 'apply', layer });
  }

  finish(): Promise<number> {
    return this.#call({ kind: 'finish' });
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#ended ??= new Error('the thread that unpacks was ended');
    await this.#worker.terminate();
  }

  #call(call: Call): Promise<number> {
    if (this.#signal?.aborted === true) this.#onAbort();
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#worker.postMessage(call);
    });
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#pending?.reject(this.#ended);
  }
}

function errorOf({ isLayer, message, code }: Failure): Error {
  if (isLayer) return new LayerError(message);
  return code === undefined ? new Error(message) : Object.assign(new Error(message), { code });
}

// ── In the thread ────────────────────────────────────────────────────────────────────────────────────────────────────

const port = parentPort;
// What the thread was started with is this module's own; somebody else's thread may import it, too.
const started = isMainThread ? undefined : (workerData as Partial<WorkerData> | null)?.unpacking;
if (port !== null && started !== undefined) {
  const say = (answer: Answer) => port.postMessage(answer);
  const unpacking = new DirectUnpacking({
    ...started,
    clock: systemClock,
    onWarning: (message) => say({ kind: 'warning', message }),
  });
  port.on('message', (call: Call) => {
    run(unpacking, call).then(
      (bytes) => say({ kind: 'done', bytes }),
      (error: unknown) =>
        say({
          kind: 'failed',
          failure: {
            isLayer: error instanceof LayerError,
            message: error instanceof Error ? error.message : String(error),
            code: systemErrorCode(error),
          },
        }),
    );
  });
}

async function run(unpacking: Unpacking, call: Call): Promise<number> {
  if (call.kind === 'begin') await unpacking.begin(call.base);
  else if (call.kind === 'apply') await unpacking.apply(call.layer);
  else return unpacking.finish();
  return 0;
}
