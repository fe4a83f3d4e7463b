/** podium.api.v1.Pods over {@link PodLogs} and {@link PodStreams}. */
import { badRequest } from '../../kube/errors.ts';
import { Pods } from '../../proto/api.ts';
import { bind, type BidiCall, type BoundService, type CallContext } from '../../proto/rpc.ts';
import type { CommandInput, CommandOutput, PortInput, PortOutput } from '../../proto/streams.ts';
import type { Init } from '../../proto/wire.ts';
import type { PodLogs } from '../pod-logs.ts';
import type { PodRef, PodStreams } from '../pod-streams.ts';
import type { Admission } from './admission.ts';
import { mapApiError } from './resources.ts';

export interface PodsServiceOptions {
  readonly logs: PodLogs;
  readonly streams: PodStreams;
  readonly admission: Admission;
}

export function podsService({ logs, streams, admission }: PodsServiceOptions): BoundService {
  const command = (kind: 'exec' | 'attach') =>
    async function* (inputs: AsyncIterable<CommandInput>, context: CallContext): AsyncGenerator<Init<CommandOutput>> {
      const iterator = inputs[Symbol.asyncIterator]();
      const first = (await iterator.next()).value?.input;
      if (first?.case !== 'start') throw unsaid();
      const { pod: name, ...start } = first.value;
      yield* admission.stream(context, { verb: 'create', ref: refTo({ ...start, name }, kind), isLongRunning: true }, async function* () {
        const call = await streams.command(kind, { ...start, name }, context.signal);
        yield { output: { case: 'started', value: {} } };
        yield* relayed(iterator, call);
      });
    };
  return bind(
    Pods,
    {
      logs: (request, context) => {
        return admission.stream(context, { verb: 'get', ref: refTo(request, 'log'), isLongRunning: request.follow }, async function* () {
          for await (const data of await logs.open(request, context.signal)) yield { data };
        });
      },
      exec: command('exec'),
      attach: command('attach'),
      portForward: async function* (inputs, context): AsyncGenerator<Init<PortOutput>> {
        const iterator: AsyncIterator<PortInput> = inputs[Symbol.asyncIterator]();
        const first = (await iterator.next()).value?.input;
        if (first?.case !== 'start') throw unsaid();
        const { namespace, pod: name, port } = first.value;
        yield* admission.stream(context, { verb: 'create', ref: refTo({ namespace, name }, 'portforward'), isLongRunning: true }, async function* () {
          const place = await streams.place({ namespace, name });
          const call = await place.connect(port, context.signal);
          yield { output: { case: 'started', value: {} } };
          yield* relayed(iterator, call);
        });
      },
    },
    mapApiError,
  );
}

function refTo({ namespace, name }: PodRef, subresource: string) {
  return { group: '', version: 'v1', resource: 'pods', namespace, name, subresource };
}

function unsaid() {
  return badRequest('a stream begins by saying what is wanted');
}

/** What comes goes to the agent as fast as it takes it, and its answers are the answers. */
async function* relayed<Q, S>(inputs: AsyncIterator<Q>, call: BidiCall<Q, S>): AsyncGenerator<Init<S>> {
  const feed = async () => {
    for (let next = await inputs.next(); next.done !== true; next = await inputs.next()) {
      if (!call.send(next.value as Init<Q>)) await call.drained(); // a message is what it is made of
    }
    call.end();
  };
  feed().catch(() => call.cancel());
  try {
    for await (const answer of call.responses) yield answer as Init<S>;
  } finally {
    call.cancel();
  }
}
