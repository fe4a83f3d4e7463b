/** Connections into pods, as verbs open them: over podium.api.v1.Pods, with what the API server refuses as it says it. */
import { UserError } from '../base/errors.ts';
import { statusError, type ReceivedStatus } from '../client/api-error.ts';
import { Pods } from '../proto/api.ts';
import { RpcCode, RpcError, type BidiCall, type Channel } from '../proto/rpc.ts';
import type { CommandInput, CommandOutput, PortInput, PortOutput } from '../proto/streams.ts';
import { decodeStatusDetails } from '../proto/struct.ts';

export interface PodCalls {
  command(kind: 'exec' | 'attach', signal: AbortSignal): BidiCall<CommandInput, CommandOutput>;
  port(signal: AbortSignal): BidiCall<PortInput, PortOutput>;
}

export function podCalls(channel: Channel): PodCalls {
  return {
    command: (kind, signal) => explained(channel.bidi(Pods.methods[kind], { signal }), signal),
    port: (signal) => explained(channel.bidi(Pods.methods.portForward, { signal }), signal),
  };
}

function explained<Q, S>(call: BidiCall<Q, S>, signal: AbortSignal): BidiCall<Q, S> {
  const responses = async function* () {
    try {
      yield* call.responses;
    } catch (error) {
      if (!signal.aborted) throw callError(error, 'the connection to the pod broke');
    }
  };
  return { ...call, responses: responses() };
}

/** What went wrong with a call about a pod, for a person. */
export function callError(error: unknown, what: string): unknown {
  if (!(error instanceof RpcError)) return error;
  const status = error.details === undefined ? undefined : decodeStatusDetails(error.details);
  // The details of an answer of podium.api.v1 hold a metav1.Status.
  if (status !== undefined) return statusError(status as ReceivedStatus, error);
  const isGone = error.code === RpcCode.UNAVAILABLE;
  return new UserError(`error: ${isGone ? 'the node of the pod cannot be reached' : what}: ${error.message}`);
}
