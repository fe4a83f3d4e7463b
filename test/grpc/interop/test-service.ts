/** grpc.testing.TestService, which gRPC's interop clients call, as handlers that know of no transport. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { bind, RpcError, type CallContext, type RpcCode } from '../../../src/proto/rpc.ts';
import type { MessageCodec } from '../../../src/proto/wire.ts';
import { ROOT } from '../../processes.ts';

interface Payload {
  readonly type: number;
  readonly body: Uint8Array;
}
interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
interface SimpleRequest {
  readonly responseSize: number;
  readonly responseStatus: EchoStatus | undefined;
}
interface SimpleResponse {
  readonly payload: Payload | undefined;
  readonly serverId: string;
}
interface InputRequest {
  readonly payload: Payload | undefined;
}
interface InputResponse {
  readonly aggregatedPayloadSize: number;
}
interface OutputRequest {
  readonly responseParameters: readonly { readonly size: number; readonly intervalUs: number }[];
  readonly responseStatus: EchoStatus | undefined;
}
interface OutputResponse {
  readonly payload: Payload | undefined;
}

const { root } = protobuf.parse(readFileSync(join(ROOT, 'test/grpc/interop/testing.proto'), 'utf8'));

/** By protobufjs, so that the interop's messages need no place among the generated ones of src/proto. */
function codecOf<T extends object>(name: string): MessageCodec<T> {
  const type = root.lookupType(`grpc.testing.${name}`);
  // The interface above says what protobufjs makes of the message of this name.
  const toObject = (message: protobuf.Message) => type.toObject(message, { defaults: true, arrays: true }) as T;
  const fromInit = (init: object = {}) => type.fromObject(init);
  const encode = (init: object | undefined) => type.encode(fromInit(init)).finish();
  return {
    typeName: `grpc.testing.${name}`,
    encode: (init) => encode(init as object),
    decode: (bytes) => toObject(type.decode(bytes)),
    create: (init) => toObject(fromInit(init as object | undefined)),
    write: (writer, init) => writer.raw(encode(init as object)),
    read: () => {
      throw new Error(`${name} is in no other message`);
    },
  };
}

const EMPTY = codecOf<object>('Empty');
const OUTPUT_REQUEST = codecOf<OutputRequest>('StreamingOutputCallRequest');
const OUTPUT_RESPONSE = codecOf<OutputResponse>('StreamingOutputCallResponse');

export const TestService = {
  typeName: 'grpc.testing.TestService',
  methods: {
    emptyCall: {
      path: '/grpc.testing.TestService/EmptyCall',
      request: EMPTY,
      response: EMPTY,
      requestStream: false,
      responseStream: false,
    },
    unaryCall: {
      path: '/grpc.testing.TestService/UnaryCall',
      request: codecOf<SimpleRequest>('SimpleRequest'),
      response: codecOf<SimpleResponse>('SimpleResponse'),
      requestStream: false,
      responseStream: false,
    },
    streamingOutputCall: {
      path: '/grpc.testing.TestService/StreamingOutputCall',
      request: OUTPUT_REQUEST,
      response: OUTPUT_RESPONSE,
      requestStream: false,
      responseStream: true,
    },
    streamingInputCall: {
      path: '/grpc.testing.TestService/StreamingInputCall',
      request: codecOf<InputRequest>('StreamingInputCallRequest'),
      response: codecOf<InputResponse>('StreamingInputCallResponse'),
      requestStream: true,
      responseStream: false,
    },
    fullDuplexCall: {
      path: '/grpc.testing.TestService/FullDuplexCall',
      request: OUTPUT_REQUEST,
      response: OUTPUT_RESPONSE,
      requestStream: true,
      responseStream: true,
    },
  },
} as const;

export const testService = bind(TestService, {
  emptyCall: () => ({}),
  unaryCall: ({ responseSize, responseStatus }, context) => {
    echoMetadata(context);
    failAs(responseStatus);
    return { payload: zeros(responseSize), serverId: 'podium' };
  },
  streamingOutputCall: (request) => answers(request),
  streamingInputCall: async (requests) => {
    let size = 0;
    for await (const { payload } of requests) size += payload?.body.length ?? 0;
    return { aggregatedPayloadSize: size };
  },
  async *fullDuplexCall(requests, context) {
    echoMetadata(context);
    for await (const request of requests) {
      failAs(request.responseStatus);
      yield* answers(request);
    }
  },
});

async function* answers({ responseParameters }: OutputRequest) {
  for (const { size, intervalUs } of responseParameters) {
    if (intervalUs > 0) await new Promise((resolve) => setTimeout(resolve, intervalUs / 1_000));
    yield { payload: zeros(size) };
  }
}

function zeros(size: number): Payload {
  return { type: 0, body: new Uint8Array(size) };
}

/** protobufjs has null where a message is absent. */
function failAs(status: EchoStatus | null | undefined): void {
  const { code, message } = status ?? { code: 0, message: '' };
  if (code !== 0) throw new RpcError(code as RpcCode, message);
}

/** By the rule of custom_metadata: two names that the answer repeats, one before it and one behind it. */
function echoMetadata(context: CallContext): void {
  const initial = context.metadata.get('x-grpc-test-echo-initial');
  if (initial !== undefined) context.setHeader?.('x-grpc-test-echo-initial', initial);
  const trailing = context.metadata.get('x-grpc-test-echo-trailing-bin');
  if (trailing !== undefined) context.setTrailer?.('x-grpc-test-echo-trailing-bin', trailing);
}
