/** The body of a request: read up to a limit and within a time, then parsed as what it says that it is. */
import { toUtf8 } from '../../base/bytes.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { ApiError, badRequest } from '../../kube/errors.ts';
import { duplicateFields } from '../core/duplicate-fields.ts';
import { checkDepth, parseJsonBody } from '../core/json-body.ts';
import type { BodyFormat } from './core/negotiation.ts';
import type { HttpRequest } from './http.ts';

export interface BodyLimits {
  readonly clock: Clock;
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export function readBody(request: HttpRequest, { clock, bytesMax, timeoutMs }: BodyLimits): Promise<Uint8Array> {
  const tooLarge = () => new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${bytesMax}`);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isOver = false;
    let timer: Timer | undefined;
    const finish = (error?: Error) => {
      if (isOver) return;
      isOver = true;
      timer?.cancel();
      if (error === undefined) return resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
      request.ignore();
      reject(error);
    };
    request.receive({
      onData: (chunk) => {
        size += chunk.length;
        if (size > bytesMax) finish(tooLarge());
        else if (!isOver) chunks.push(chunk);
      },
      onEnd: () => finish(),
      onLost: () => finish(badRequest('the request ended before its body did')),
    });
    const late = () => finish(new ApiError('Timeout', `the body of the request did not arrive within ${timeoutMs / 1000} s`));
    // Mostly all of it is there.
    if (!isOver) timer = clock.setTimer(timeoutMs, late);
  });
}

export interface ParsedBody {
  /** undefined: there is none. */
  readonly body: unknown;
  /** What is to be said of names that an object of the text has twice, of which the last counts. */
  readonly duplicates: readonly string[];
}

export async function parseBody(bytes: Uint8Array, format: BodyFormat): Promise<ParsedBody> {
  if (bytes.length === 0) return { body: undefined, duplicates: [] };
  if (format === 'protobuf') return { body: (await import('../protobuf.ts')).decodeProtobuf(bytes), duplicates: [] };
  const text = toUtf8(bytes);
  if (format === 'yaml') return parseYamlBody(text);
  const body = parseJsonBody(text, 'object');
  return { body, duplicates: duplicateFields(text, body).map((path) => `duplicate field ${JSON.stringify(path)}`) };
}

async function parseYamlBody(text: string): Promise<ParsedBody> {
  const json = asJson(text);
  if (json !== undefined) return { body: checkDepth(json), duplicates: [] };
  const { readYaml } = await import('../../kube/yaml.ts');
  // Of several documents the first is meant.
  const [document] = readYaml(text);
  const problem = document?.problems[0];
  if (problem !== undefined) throw badRequest(`the object is not YAML: line ${problem.line}: ${problem.message.split('\n', 1)[0]!}`);
  const duplicates = document?.repeated.map(({ line, key }) => `line ${line}: key ${key} already set in map`) ?? [];
  return { body: checkDepth(document?.value ?? null), duplicates };
}

/** What kubectl calls YAML is nearly always JSON, which is read much faster. Undefined: it is not, or has something to be told of. */
function asJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return duplicateFields(text).length === 0 ? value : undefined;
  } catch {
    return undefined;
  }
}
