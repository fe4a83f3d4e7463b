/** What a handler knows of its call, and says beside its answers, where grpc-js serves it. */
import * as grpc from '@grpc/grpc-js';
import type { CallContext } from '../proto/rpc.ts';
import { CallSignal } from './call-signal.ts';

/** What the four kinds of grpc-js calls have in common. */
type SurfaceCall = Pick<
  grpc.ServerUnaryCall<unknown, unknown>,
  'metadata' | 'getPeer' | 'getDeadline' | 'getAuthContext' | 'sendMetadata'
> & {
  on(event: 'cancelled', listener: () => void): unknown;
};

export class ServerCallContext extends CallSignal implements CallContext {
  readonly #call: SurfaceCall;
  readonly metadata: CallContext['metadata'];
  readonly deadlineMs: number | undefined;
  #header: grpc.Metadata | undefined;
  trailer: grpc.Metadata | undefined;

  constructor(call: SurfaceCall) {
    super();
    this.#call = call;
    this.metadata = {
      get: (name) => {
        const [value] = call.metadata.get(name);
        return value?.toString();
      },
    };
    const deadline = call.getDeadline();
    const leftMs = (deadline instanceof Date ? deadline.getTime() : deadline) - Date.now();
    this.deadlineMs = Number.isFinite(leftMs) ? leftMs : undefined;
    call.on('cancelled', () => this.abort());
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get identity(): string | undefined {
    const name = this.#call.getAuthContext().sslPeerCertificate?.subject?.CN;
    return Array.isArray(name) ? name[0] : name;
  }

  get organizations(): readonly string[] {
    const names = this.#call.getAuthContext().sslPeerCertificate?.subject?.O;
    return Array.isArray(names) ? names : names === undefined ? [] : [names];
  }

  setHeader(name: string, value: string): void {
    add((this.#header ??= new grpc.Metadata()), name, value);
  }

  setTrailer(name: string, value: string): void {
    add((this.trailer ??= new grpc.Metadata()), name, value);
  }

  /** Before whatever is answered; once. */
  sendHeader(): void {
    if (this.#header !== undefined) this.#call.sendMetadata(this.#header);
    this.#header = undefined;
  }

  /** The answer with what the handler said beside it. */
  answering(answer: grpc.sendUnaryData<unknown>): grpc.sendUnaryData<unknown> {
    return (error, value) => {
      if (error === null) this.sendHeader();
      answer(error, value, this.trailer);
    };
  }
}

function add(metadata: grpc.Metadata, name: string, value: string): void {
  metadata.add(name, name.toLowerCase().endsWith('-bin') ? Buffer.from(value, 'utf8') : value);
}
