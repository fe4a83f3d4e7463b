/**
 * Connections into pods: they end at the agent of the pod's node, and what both sides say is passed on as it is. Both
 * faces open them here. Each has a way to the agent of its own: on a common one whoever is slow would hold up the others.
 */
import type { Pod } from 'kubernetes-types/core/v1.js';
import { ApiError, badRequest } from '../kube/errors.ts';
import { typed } from '../kube/types.ts';
import { Node as NodeService } from '../proto/node.ts';
import { RpcCode, RpcError, type BidiCall, type Channel } from '../proto/rpc.ts';
import type { CommandInput, CommandOutput, PortInput, PortOutput } from '../proto/streams.ts';
import { agentAddress, chooseContainer, type ConnectToNode } from './pod-logs.ts';
import type { Registry } from './registry.ts';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
}

export interface CommandRequest extends PodRef {
  /** May be empty where the pod has one. */
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export type CommandCall = BidiCall<CommandInput, CommandOutput>;
export type PortCall = BidiCall<PortInput, PortOutput>;

/** Where connections to one pod go. */
export interface PodPlace {
  readonly uid: string;
  connect(port: number, signal: AbortSignal): Promise<PortCall>;
}

export interface PodStreams {
  /** Throws what can be said against it without asking its node. */
  check(request: CommandRequest): Promise<void>;
  /** Once it has begun; everything that can be said before is thrown. The caller cancels it. */
  command(kind: 'exec' | 'attach', request: CommandRequest, signal: AbortSignal): Promise<CommandCall>;
  /** For as many connections as come; each fails on its own. */
  place(ref: PodRef): Promise<PodPlace>;
}

export interface PodStreamsOptions {
  readonly registry: Registry;
  /** A channel that is closed with the one call that it is for. */
  readonly connectToNode: ConnectToNode;
}

export function podStreams({ registry, connectToNode }: PodStreamsOptions): PodStreams {
  const find = async ({ namespace, name }: PodRef) => {
    const object = await registry.get({ group: '', version: 'v1', resource: 'pods', namespace, name, subresource: '' });
    return { spec: typed<Pod>(object).spec, uid: object.metadata.uid ?? '' };
  };
  const nodeOf = async (name: string, nodeName: string | undefined) => {
    if (!nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
    return { nodeName, address: await agentAddress(registry, nodeName) };
  };
  return {
    check: async (request) => {
      const { spec } = await find(request);
      chooseContainer(request, spec);
      await nodeOf(request.name, spec?.nodeName);
    },
    command: async (kind, request, signal) => {
      const { namespace, name, ...wanted } = request;
      const { spec, uid } = await find(request);
      const container = chooseContainer(request, spec);
      const { nodeName, address } = await nodeOf(name, spec?.nodeName);
      const call = open(connectToNode(address), (channel) => channel.bidi(NodeService.methods[kind], { signal }));
      call.send({ input: { case: 'start', value: { ...wanted, namespace, pod: name, uid, container } } });
      return begun(call, { nodeName, isStart: ({ output }) => output?.case === 'started', prefix: UPGRADE });
    },
    place: async (ref) => {
      const { namespace, name } = ref;
      const { spec, uid } = await find(ref);
      const { nodeName, address } = await nodeOf(name, spec?.nodeName);
      return {
        uid,
        connect: (port, signal) => {
          const call = open(connectToNode(address), (channel) => channel.bidi(NodeService.methods.portForward, { signal }));
          call.send({ input: { case: 'start', value: { namespace, pod: name, uid, port } } });
          return begun(call, { nodeName, isStart: ({ output }) => output?.case === 'started', prefix: '' });
        },
      };
    },
  };
}

/** The call, and with its end that of the channel. */
function open<Q, S>(channel: Channel, begin: (channel: Channel) => BidiCall<Q, S>): BidiCall<Q, S> {
  const call = begin(channel);
  return { ...call, responses: closing(call.responses, channel), cancel: () => channel.close() };
}

async function* closing<T>(responses: AsyncIterable<T>, channel: Channel): AsyncGenerator<T> {
  try {
    yield* responses;
  } finally {
    channel.close();
  }
}

/** How Kubernetes begins what a node says against a connection before there is one. */
const UPGRADE = 'Internal error occurred: unable to upgrade connection: ';

interface Beginning<S> {
  readonly nodeName: string;
  readonly isStart: (first: S) => boolean;
  readonly prefix: string;
}

/** Waits for the first answer, which says that it has begun; what follows is the caller's. */
async function begun<Q, S>(call: BidiCall<Q, S>, { nodeName, isStart, prefix }: Beginning<S>): Promise<BidiCall<Q, S>> {
  const responses = call.responses[Symbol.asyncIterator]();
  const first = await responses.next().catch((error: unknown) => {
    throw refusal(error, { nodeName, prefix });
  });
  if (first.done === true || !isStart(first.value)) {
    call.cancel();
    throw new ApiError('InternalError', `Internal error occurred: the agent of node ${nodeName} did not say that it has begun`);
  }
  return { ...call, responses: { [Symbol.asyncIterator]: () => responses } };
}

/** As a client is told it. */
function refusal(error: unknown, { nodeName, prefix }: { readonly nodeName: string; readonly prefix: string }): unknown {
  if (!(error instanceof RpcError)) return error;
  const cause = { cause: error };
  switch (error.code) {
    case RpcCode.UNAVAILABLE:
      return new ApiError('ServiceUnavailable', `the agent of node ${nodeName} cannot be reached: ${error.message}`, cause);
    case RpcCode.FAILED_PRECONDITION:
    case RpcCode.NOT_FOUND:
      return new ApiError('InternalError', `${prefix}${error.message}`, cause);
    default:
      return error;
  }
}
