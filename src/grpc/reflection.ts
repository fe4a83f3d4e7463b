/**
 * Server reflection, v1 and v1alpha: what grpcurl asks before it calls. A file is answered together with all that it
 * imports, so that one answer is enough.
 */
import { fileDescriptors, type FileDescriptor } from '../proto/descriptors.ts';
import * as v1 from '../proto/reflection.ts';
import * as v1alpha from '../proto/reflection-alpha.ts';
import { bind, RpcCode, type BoundService } from '../proto/rpc.ts';
import type { Init } from '../proto/wire.ts';

/** `services`: the full names that `list` answers, besides reflection's own. */
export function reflectionServices(services: readonly string[]): BoundService[] {
  const names = [...services, v1.ServerReflection.typeName, v1alpha.ServerReflection.typeName].sort();
  const index = new DescriptorIndex(names);
  // The two versions differ in their package only.
  return [
    bind(v1.ServerReflection, { serverReflectionInfo: (requests) => index.answerAll(requests) }),
    bind(v1alpha.ServerReflection, { serverReflectionInfo: (requests) => index.answerAll(requests) }),
  ];
}

class DescriptorIndex {
  readonly #services: readonly string[];
  readonly #byName = new Map<string, FileDescriptor>();
  readonly #bySymbol = new Map<string, FileDescriptor>();

  constructor(services: readonly string[]) {
    this.#services = services;
    for (const file of fileDescriptors) {
      this.#byName.set(file.name, file);
      for (const symbol of file.symbols) this.#bySymbol.set(symbol, file);
    }
  }

  async *answerAll(
    requests: AsyncIterable<v1.ServerReflectionRequest>,
  ): AsyncIterable<Init<v1.ServerReflectionResponse>> {
    for await (const request of requests) {
      yield {
        validHost: request.host,
        originalRequest: request,
        messageResponse: this.#answer(request.messageRequest),
      };
    }
  }

  #answer(request: v1.ServerReflectionRequest['messageRequest']): Init<v1.ServerReflectionResponse>['messageResponse'] {
    switch (request?.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: this.#services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return this.#files(this.#byName.get(request.value), `no file ${request.value}`);
      case 'fileContainingSymbol':
        return this.#files(this.#find(request.value), `no symbol ${request.value}`);
      case 'fileContainingExtension':
      case 'allExtensionNumbersOfType':
        return notFound('there are no extensions');
      case undefined:
        return {
          case: 'errorResponse',
          value: { errorCode: RpcCode.INVALID_ARGUMENT, errorMessage: 'nothing is asked' },
        };
    }
  }

  /** A symbol inside another, such as a field, is found in the file of what holds it. */
  #find(symbol: string): FileDescriptor | undefined {
    const found = this.#bySymbol.get(symbol);
    const dot = symbol.lastIndexOf('.');
    return found ?? (dot > 0 ? this.#find(symbol.slice(0, dot)) : undefined);
  }

  #files(file: FileDescriptor | undefined, otherwise: string): Init<v1.ServerReflectionResponse>['messageResponse'] {
    if (file === undefined) return notFound(otherwise);
    const closure = new Map<string, FileDescriptor>();
    this.#collect(file, closure);
    // The file itself comes first: some clients look no further.
    const files = [...closure.values()].reverse();
    return {
      case: 'fileDescriptorResponse',
      value: { fileDescriptorProto: files.map(({ base64 }) => Buffer.from(base64, 'base64')) },
    };
  }

  #collect(file: FileDescriptor, closure: Map<string, FileDescriptor>): void {
    if (closure.has(file.name)) return;
    for (const name of file.dependencies) {
      const dependency = this.#byName.get(name);
      if (dependency !== undefined) this.#collect(dependency, closure);
    }
    closure.set(file.name, file);
  }
}

function notFound(errorMessage: string): Init<v1.ServerReflectionResponse>['messageResponse'] {
  return { case: 'errorResponse', value: { errorCode: RpcCode.NOT_FOUND, errorMessage } };
}
