/** What Prometheus is told of clients' calls: by grpc-go's names, one field a count, found once a method and not once a call. */
import type { Clock } from '../../base/clock.ts';
import { Histogram, type Labels, type Registry, type Sample } from '../../base/prometheus.ts';
import type { CallObserver, MessageBytes } from '../../grpc/dispatch.ts';
import { RpcCode } from '../../proto/rpc.ts';
import type { MethodDescriptor } from '../../proto/wire.ts';

/** By number. */
const CODE_NAMES: readonly string[] = [
  'OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied',
  'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable',
  'DataLoss', 'Unauthenticated',
];

/** Prometheus' clients' own. */
const HANDLING_SECONDS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class CallMetrics {
  readonly #bytes: MessageBytes = { received: 0, sent: 0 };
  readonly #methods: { readonly labels: Labels; readonly calls: CountedCalls }[] = [];
  readonly #timedBy: Clock | undefined;

  /** `timedBy`: how long calls take is told, too (etcd's `--metrics=extensive`). */
  constructor(registry: Registry, timedBy: Clock | undefined) {
    this.#timedBy = timedBy;
    const counter = (name: string, help: string, value: () => number | readonly Sample[]) => registry.add('counter', name, help, value);
    counter('grpc_server_started_total', 'Total number of RPCs started on the server.', () =>
      this.#methods.map(({ labels, calls }) => ({ labels, value: calls.begun })),
    );
    counter('grpc_server_handled_total', 'Total number of RPCs completed on the server, regardless of success or failure.', () =>
      this.#methods.flatMap(({ labels, calls }) => handledSamples(labels, calls.byCode)),
    );
    counter('etcd_network_client_grpc_received_bytes_total', 'The total number of bytes received from grpc clients.', () => this.#bytes.received);
    counter('etcd_network_client_grpc_sent_bytes_total', 'The total number of bytes sent to grpc clients.', () => this.#bytes.sent);
    if (timedBy === undefined) return;
    const help = 'Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.';
    registry.addHistograms('grpc_server_handling_seconds', help, () =>
      this.#methods.flatMap(({ labels, calls }) => (calls instanceof TimedCalls && calls.begun > 0 ? [{ labels, histogram: calls.seconds }] : [])),
    );
  }

  /** For the server that serves clients. */
  readonly observe = (method: MethodDescriptor<unknown, unknown>): CallObserver => {
    const calls = this.#timedBy === undefined ? new CountedCalls(this.#bytes) : new TimedCalls(this.#bytes, this.#timedBy);
    this.#methods.push({ labels: labelsOf(method), calls });
    return calls;
  };
}

class CountedCalls implements CallObserver {
  readonly bytes: MessageBytes;
  readonly byCode: number[] = CODE_NAMES.map(() => 0);
  begun = 0;

  constructor(bytes: MessageBytes) {
    this.bytes = bytes;
  }

  started(): number {
    this.begun++;
    return 0;
  }

  ended(code: RpcCode, _: number): void {
    this.byCode[code]!++;
  }
}

class TimedCalls extends CountedCalls {
  readonly seconds = new Histogram(HANDLING_SECONDS);
  readonly #clock: Clock;

  constructor(bytes: MessageBytes, clock: Clock) {
    super(bytes);
    this.#clock = clock;
  }

  override started(): number {
    super.started();
    return this.#clock.monotonic();
  }

  override ended(code: RpcCode, started: number): void {
    super.ended(code, started);
    this.seconds.observe((this.#clock.monotonic() - started) / 1000);
  }
}

function labelsOf({ path, requestStream, responseStream }: MethodDescriptor<unknown, unknown>): Labels {
  const [, service, method] = path.split('/');
  const type = requestStream ? (responseStream ? 'bidi_stream' : 'client_stream') : responseStream ? 'server_stream' : 'unary';
  return { grpc_method: method!, grpc_service: service!, grpc_type: type };
}

/** Of `OK` always: what has no sample yet has no rate. */
function handledSamples(labels: Labels, byCode: readonly number[]): Sample[] {
  return byCode.flatMap((value, code) =>
    value === 0 && code !== RpcCode.OK ? [] : [{ labels: { grpc_code: CODE_NAMES[code]!, ...labels }, value }],
  );
}
