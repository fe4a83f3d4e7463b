/** Connections into the pods of a node: what podium.node.v1 says of them, carried out by the runtime. */
import { sleep, type Clock } from '../base/clock.ts';
import type { CommandInput, CommandOutput, CommandStart, PortInput, PortOutput } from '../proto/streams.ts';
import { RpcCode, RpcError, type CallContext } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';
import { containersOf, type AgentPod } from './core/pod-spec.ts';
import { localUid } from './core/static-pods.ts';
import { RuntimeError, type ContainerId, type Runtime } from './runtime/runtime.ts';
import type { CommandStream, PortStream, TerminalSize } from './runtime/streams.ts';

export interface PodStreamsOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  /** undefined: it is not on this node. */
  readonly podOf: (namespace: string, name: string) => AgentPod | undefined;
  /** The agent stops. */
  readonly signal: AbortSignal;
}

/** A terminal's size comes right behind the start: a command that asks for it at once shall find it. */
const FIRST_SIZE_MS = 500;

/** Somebody may have typed before it comes. */
const EARLY_INPUTS_MAX = 16;

type Inputs<T> = AsyncIterator<T>;

export class PodStreams {
  readonly #options: PodStreamsOptions;

  constructor(options: PodStreamsOptions) {
    this.#options = options;
  }

  async *exec(inputs: AsyncIterable<CommandInput>, context: CallContext): AsyncGenerator<Init<CommandOutput>> {
    const iterator = inputs[Symbol.asyncIterator]();
    const start = await startOf(iterator);
    const id = await this.#running(start);
    yield { output: { case: 'started', value: {} } };
    const early = new Early(iterator);
    const size = start.tty ? await this.#firstSize(early) : undefined;
    let stream: CommandStream;
    try {
      stream = await this.#options.runtime.execStream(id, { ...start, size });
    } catch (error) {
      const message = error instanceof RuntimeError ? error.message : 'it could not be run';
      yield { output: { case: 'end', value: notExecuted(message) } };
      return;
    }
    yield* this.#carry(stream, early, context);
  }

  async *attach(inputs: AsyncIterable<CommandInput>, context: CallContext): AsyncGenerator<Init<CommandOutput>> {
    const iterator = inputs[Symbol.asyncIterator]();
    const start = await startOf(iterator);
    const id = await this.#running(start);
    const stream = await this.#options.runtime.attachStream(id, start).catch(refused);
    yield { output: { case: 'started', value: {} } };
    yield* this.#carry(stream, new Early(iterator), context);
  }

  async *portForward(inputs: AsyncIterable<PortInput>, context: CallContext): AsyncGenerator<Init<PortOutput>> {
    const iterator = inputs[Symbol.asyncIterator]();
    const first = await iterator.next();
    const start = first.done === true ? undefined : first.value.input;
    if (start?.case !== 'start') throw new RpcError(RpcCode.INVALID_ARGUMENT, 'a stream begins by saying what is wanted');
    const { metadata } = this.#pod(start.value);
    const stream = await this.#options.runtime.portForward(localUid({ metadata }), start.value.port).catch(refused);
    const ending = this.#closing(stream, context);
    try {
      yield { output: { case: 'started', value: {} } };
      void feedPort(iterator, stream);
      for await (const data of stream.output) yield { output: { case: 'data', value: data } };
    } catch (error) {
      throw error instanceof RpcError ? error : new RpcError(RpcCode.ABORTED, 'the connection to the port broke', { cause: error });
    } finally {
      ending();
      stream.close();
    }
  }

  async *#carry(stream: CommandStream, inputs: Early<CommandInput>, context: CallContext): AsyncGenerator<Init<CommandOutput>> {
    const ending = this.#closing(stream, context);
    try {
      void feedCommand(inputs, stream);
      for await (const { stream: name, bytes } of stream.output) yield { output: { case: name, value: bytes } };
      const { exitCode, failure } = await stream.ended;
      yield { output: { case: 'end', value: failure === undefined ? { exitCode } : notExecuted(failure) } };
    } finally {
      ending();
      stream.close();
    }
  }

  /** A generator that waits for output hears of nothing else: the stream itself is closed under it. Answers how to forget it. */
  #closing(stream: CommandStream | PortStream, { signal }: CallContext): () => void {
    const ending = AbortSignal.any([signal, this.#options.signal]);
    const close = () => stream.close();
    if (ending.aborted) close();
    else ending.addEventListener('abort', close, { once: true });
    return () => ending.removeEventListener('abort', close);
  }

  async #firstSize(inputs: Early<CommandInput>): Promise<TerminalSize | undefined> {
    const late = new AbortController();
    const deadline = sleep(this.#options.clock, FIRST_SIZE_MS, late.signal).then(() => undefined, () => undefined);
    const find = async () => {
      for (let at = 0; at < EARLY_INPUTS_MAX; at++) {
        const input = (await inputs.peek(at))?.input;
        if (input === undefined || input.case === 'size') return input?.value;
      }
      return undefined;
    };
    const size = await Promise.race([find(), deadline]);
    late.abort();
    return size;
  }

  #pod({ namespace, pod: name, uid }: { readonly namespace: string; readonly pod: string; readonly uid: string }): AgentPod {
    const pod = this.#options.podOf(namespace, name);
    if (pod === undefined || (uid !== '' && pod.metadata.uid !== uid)) throw new RpcError(RpcCode.NOT_FOUND, 'pod does not exist');
    return pod;
  }

  async #running(start: CommandStart): Promise<ContainerId> {
    const pod = this.#pod(start);
    const wanted = start.container === '' ? pod.spec.containers[0]?.name : start.container;
    const records = await this.#options.runtime.listContainers(localUid(pod));
    const record = records.findLast(({ name, state }) => name === wanted && state === 'running');
    if (record !== undefined && containersOf(pod).some(({ name }) => name === wanted)) return record.id;
    throw new RpcError(RpcCode.FAILED_PRECONDITION, `container not found ("${wanted ?? ''}")`);
  }
}

function notExecuted(why: string): { exitCode: number; error: string } {
  return { exitCode: 0, error: `error executing command in container: ${why}` };
}

/** Inputs of which the first may be looked at before they are taken. */
class Early<T> {
  readonly #iterator: Inputs<T>;
  readonly #ahead: Promise<IteratorResult<T>>[] = [];

  constructor(iterator: Inputs<T>) {
    this.#iterator = iterator;
  }

  /** undefined: there are not so many. */
  async peek(at: number): Promise<T | undefined> {
    const next = (this.#ahead[at] ??= this.#iterator.next());
    const result = await next.catch(() => undefined); // whoever takes it is told
    return result === undefined || result.done === true ? undefined : result.value;
  }

  next(): Promise<IteratorResult<T>> {
    return this.#ahead.shift() ?? this.#iterator.next();
  }
}

async function startOf(inputs: Inputs<CommandInput>): Promise<CommandStart> {
  const first = await inputs.next();
  const input = first.done === true ? undefined : first.value.input;
  if (input?.case === 'start') return input.value;
  throw new RpcError(RpcCode.INVALID_ARGUMENT, 'a stream begins by saying what is wanted');
}

async function feedCommand(inputs: Early<CommandInput>, stream: CommandStream): Promise<void> {
  try {
    for (let next = await inputs.next(); next.done !== true; next = await inputs.next()) {
      const { input } = next.value;
      if (input?.case === 'stdin') await stream.write(input.value);
      if (input?.case === 'stdinEnd') stream.endInput();
      if (input?.case === 'size') stream.resize(input.value);
    }
    stream.endInput();
  } catch {
    stream.close(); // who sent it has gone
  }
}

async function feedPort(inputs: Inputs<PortInput>, stream: PortStream): Promise<void> {
  try {
    for (let next = await inputs.next(); next.done !== true; next = await inputs.next()) {
      const { input } = next.value;
      if (input?.case === 'data') await stream.write(input.value);
      if (input?.case === 'end') stream.endInput();
    }
    stream.endInput();
  } catch {
    stream.close();
  }
}

function refused(error: unknown): never {
  if (error instanceof RuntimeError) throw new RpcError(RpcCode.FAILED_PRECONDITION, error.message, { cause: error });
  throw error;
}
