// Written by scripts/generate.ts from proto/grpc/reflection_v1.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

export interface ServerReflectionRequest {
  host: string;
  messageRequest:
    | { case: 'fileByFilename'; value: string }
    | { case: 'fileContainingSymbol'; value: string }
    | { case: 'fileContainingExtension'; value: ExtensionRequest }
    | { case: 'allExtensionNumbersOfType'; value: string }
    | { case: 'listServices'; value: string }
    | undefined;
}

export const ServerReflectionRequest: MessageCodec<ServerReflectionRequest> = codec<ServerReflectionRequest>(
  'grpc.reflection.v1.ServerReflectionRequest',
  (w, m) => {
    if (m.host) {
      w.uint32(10).string(m.host);
    }
    {
      const one = m.messageRequest;
      if (one !== undefined)
        switch (one.case) {
          case 'fileByFilename': {
            w.uint32(26).string(one.value);
            break;
          }
          case 'fileContainingSymbol': {
            w.uint32(34).string(one.value);
            break;
          }
          case 'fileContainingExtension': {
            const start = w.open(42);
            ExtensionRequest.write(w, one.value);
            w.close(start);
            break;
          }
          case 'allExtensionNumbersOfType': {
            w.uint32(50).string(one.value);
            break;
          }
          case 'listServices': {
            w.uint32(58).string(one.value);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: ServerReflectionRequest = { host: '', messageRequest: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.host = r.string();
          break;
        }
        case 26: {
          m.messageRequest = { case: 'fileByFilename', value: r.string() };
          break;
        }
        case 34: {
          m.messageRequest = { case: 'fileContainingSymbol', value: r.string() };
          break;
        }
        case 42: {
          const to = r.enter();
          m.messageRequest = { case: 'fileContainingExtension', value: ExtensionRequest.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          m.messageRequest = { case: 'allExtensionNumbersOfType', value: r.string() };
          break;
        }
        case 58: {
          m.messageRequest = { case: 'listServices', value: r.string() };
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    host: m.host ?? '',
    messageRequest: (() => {
      const one = m.messageRequest;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'fileByFilename':
          return { case: one.case, value: one.value };
        case 'fileContainingSymbol':
          return { case: one.case, value: one.value };
        case 'fileContainingExtension':
          return { case: one.case, value: ExtensionRequest.create(one.value) };
        case 'allExtensionNumbersOfType':
          return { case: one.case, value: one.value };
        case 'listServices':
          return { case: one.case, value: one.value };
      }
    })(),
  }),
);

export interface ExtensionRequest {
  containingType: string;
  extensionNumber: number;
}

export const ExtensionRequest: MessageCodec<ExtensionRequest> = codec<ExtensionRequest>(
  'grpc.reflection.v1.ExtensionRequest',
  (w, m) => {
    if (m.containingType) {
      w.uint32(10).string(m.containingType);
    }
    if (m.extensionNumber) {
      w.uint32(16).int32(m.extensionNumber);
    }
  },
  (r, end) => {
    const m: ExtensionRequest = { containingType: '', extensionNumber: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.containingType = r.string();
          break;
        }
        case 16: {
          m.extensionNumber = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ containingType: m.containingType ?? '', extensionNumber: m.extensionNumber ?? 0 }),
);

export interface ServerReflectionResponse {
  validHost: string;
  originalRequest: ServerReflectionRequest | undefined;
  messageResponse:
    | { case: 'fileDescriptorResponse'; value: FileDescriptorResponse }
    | { case: 'allExtensionNumbersResponse'; value: ExtensionNumberResponse }
    | { case: 'listServicesResponse'; value: ListServiceResponse }
    | { case: 'errorResponse'; value: ErrorResponse }
    | undefined;
}

export const ServerReflectionResponse: MessageCodec<ServerReflectionResponse> = codec<ServerReflectionResponse>(
  'grpc.reflection.v1.ServerReflectionResponse',
  (w, m) => {
    if (m.validHost) {
      w.uint32(10).string(m.validHost);
    }
    if (m.originalRequest !== undefined) {
      const start = w.open(18);
      ServerReflectionRequest.write(w, m.originalRequest);
      w.close(start);
    }
    {
      const one = m.messageResponse;
      if (one !== undefined)
        switch (one.case) {
          case 'fileDescriptorResponse': {
            const start = w.open(34);
            FileDescriptorResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'allExtensionNumbersResponse': {
            const start = w.open(42);
            ExtensionNumberResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'listServicesResponse': {
            const start = w.open(50);
            ListServiceResponse.write(w, one.value);
            w.close(start);
            break;
          }
          case 'errorResponse': {
            const start = w.open(58);
            ErrorResponse.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: ServerReflectionResponse = { validHost: '', originalRequest: undefined, messageResponse: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.validHost = r.string();
          break;
        }
        case 18: {
          const to = r.enter();
          m.originalRequest = ServerReflectionRequest.read(r, to);
          r.leave(to);
          break;
        }
        case 34: {
          const to = r.enter();
          m.messageResponse = { case: 'fileDescriptorResponse', value: FileDescriptorResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 42: {
          const to = r.enter();
          m.messageResponse = { case: 'allExtensionNumbersResponse', value: ExtensionNumberResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          m.messageResponse = { case: 'listServicesResponse', value: ListServiceResponse.read(r, to) };
          r.leave(to);
          break;
        }
        case 58: {
          const to = r.enter();
          m.messageResponse = { case: 'errorResponse', value: ErrorResponse.read(r, to) };
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({
    validHost: m.validHost ?? '',
    originalRequest: m.originalRequest === undefined ? undefined : ServerReflectionRequest.create(m.originalRequest),
    messageResponse: (() => {
      const one = m.messageResponse;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'fileDescriptorResponse':
          return { case: one.case, value: FileDescriptorResponse.create(one.value) };
        case 'allExtensionNumbersResponse':
          return { case: one.case, value: ExtensionNumberResponse.create(one.value) };
        case 'listServicesResponse':
          return { case: one.case, value: ListServiceResponse.create(one.value) };
        case 'errorResponse':
          return { case: one.case, value: ErrorResponse.create(one.value) };
      }
    })(),
  }),
);

export interface FileDescriptorResponse {
  fileDescriptorProto: Uint8Array[];
}

export const FileDescriptorResponse: MessageCodec<FileDescriptorResponse> = codec<FileDescriptorResponse>(
  'grpc.reflection.v1.FileDescriptorResponse',
  (w, m) => {
    if (m.fileDescriptorProto !== undefined)
      for (const item of m.fileDescriptorProto) {
        w.uint32(10).bytes(item);
      }
  },
  (r, end) => {
    const m: FileDescriptorResponse = { fileDescriptorProto: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.fileDescriptorProto.push(r.bytes());
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ fileDescriptorProto: [...(m.fileDescriptorProto ?? [])] }),
);

export interface ExtensionNumberResponse {
  baseTypeName: string;
  extensionNumber: number[];
}

export const ExtensionNumberResponse: MessageCodec<ExtensionNumberResponse> = codec<ExtensionNumberResponse>(
  'grpc.reflection.v1.ExtensionNumberResponse',
  (w, m) => {
    if (m.baseTypeName) {
      w.uint32(10).string(m.baseTypeName);
    }
    if (m.extensionNumber !== undefined && m.extensionNumber.length > 0) {
      const start = w.open(18);
      for (const item of m.extensionNumber) w.int32(item);
      w.close(start);
    }
  },
  (r, end) => {
    const m: ExtensionNumberResponse = { baseTypeName: '', extensionNumber: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.baseTypeName = r.string();
          break;
        }
        case 16: {
          m.extensionNumber.push(r.int32());
          break;
        }
        case 18: {
          const to = r.packed();
          while (r.position < to) m.extensionNumber.push(r.int32());
          r.endPacked(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ baseTypeName: m.baseTypeName ?? '', extensionNumber: [...(m.extensionNumber ?? [])] }),
);

export interface ListServiceResponse {
  service: ServiceResponse[];
}

export const ListServiceResponse: MessageCodec<ListServiceResponse> = codec<ListServiceResponse>(
  'grpc.reflection.v1.ListServiceResponse',
  (w, m) => {
    if (m.service !== undefined)
      for (const item of m.service) {
        const start = w.open(10);
        ServiceResponse.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListServiceResponse = { service: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.service.push(ServiceResponse.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ service: (m.service ?? []).map((item) => ServiceResponse.create(item)) }),
);

export interface ServiceResponse {
  name: string;
}

export const ServiceResponse: MessageCodec<ServiceResponse> = codec<ServiceResponse>(
  'grpc.reflection.v1.ServiceResponse',
  (w, m) => {
    if (m.name) {
      w.uint32(10).string(m.name);
    }
  },
  (r, end) => {
    const m: ServiceResponse = { name: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.name = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ name: m.name ?? '' }),
);

export interface ErrorResponse {
  errorCode: number;
  errorMessage: string;
}

export const ErrorResponse: MessageCodec<ErrorResponse> = codec<ErrorResponse>(
  'grpc.reflection.v1.ErrorResponse',
  (w, m) => {
    if (m.errorCode) {
      w.uint32(8).int32(m.errorCode);
    }
    if (m.errorMessage) {
      w.uint32(18).string(m.errorMessage);
    }
  },
  (r, end) => {
    const m: ErrorResponse = { errorCode: 0, errorMessage: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.errorCode = r.int32();
          break;
        }
        case 18: {
          m.errorMessage = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ errorCode: m.errorCode ?? 0, errorMessage: m.errorMessage ?? '' }),
);

export const ServerReflection = {
  typeName: 'grpc.reflection.v1.ServerReflection',
  methods: {
    serverReflectionInfo: {
      path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      request: ServerReflectionRequest,
      response: ServerReflectionResponse,
      requestStream: true,
      responseStream: true,
    },
  },
} as const;
