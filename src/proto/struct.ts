/**
 * JSON to google.protobuf.Struct and back, and google.rpc.Status with a Struct in its details: what
 * `grpc-status-details-bin` carries, and what grpcurl prints readably. Beside it gRPC's own word for when to come again.
 */
import { Any, RetryInfo, Status, Struct, Value } from './google.ts';
import { NESTING_MAX, WireError, type Init } from './wire.ts';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A Struct's number is a double: an integer beyond 2^53 does not survive, as in any JSON of JavaScript. */
export function structFromJson(json: object): Init<Struct> {
  const fields = new Map<string, Init<Value>>();
  for (const [key, value] of Object.entries(json)) {
    if (value !== undefined) fields.set(key, valueFromJson(value as Json)); // a field of an object that came from JSON
  }
  return { fields };
}

export function valueFromJson(json: Json): Init<Value> {
  if (json === null) return { kind: { case: 'nullValue', value: 0 } };
  if (typeof json === 'boolean') return { kind: { case: 'boolValue', value: json } };
  if (typeof json === 'number') return { kind: { case: 'numberValue', value: json } };
  if (typeof json === 'string') return { kind: { case: 'stringValue', value: json } };
  if (Array.isArray(json)) return { kind: { case: 'listValue', value: { values: json.map(valueFromJson) } } };
  return { kind: { case: 'structValue', value: structFromJson(json) } };
}

export function structToJson(struct: Struct, depth = 0): JsonObject {
  if (depth > NESTING_MAX) throw new WireError(`nested deeper than ${NESTING_MAX}`);
  const entries = [...struct.fields].map(([key, value]): [string, Json] => [key, valueToJson(value, depth + 1)]);
  return Object.fromEntries(entries);
}

export function valueToJson(value: Value, depth = 0): Json {
  const kind = value.kind;
  if (kind === undefined) return null;
  switch (kind.case) {
    case 'nullValue':
      return null;
    case 'structValue':
      return structToJson(kind.value, depth);
    case 'listValue':
      return kind.value.values.map((item) => valueToJson(item, depth + 1));
    default:
      return kind.value;
  }
}

const STRUCT_URL = 'type.googleapis.com/google.protobuf.Struct';
const RETRY_URL = 'type.googleapis.com/google.rpc.RetryInfo';

export interface StatusDetails {
  readonly code: number;
  readonly message: string;
  /** For the API server: a metav1.Status. */
  readonly json: object;
  /** When to come again; undefined: nobody knows. */
  readonly retryAfterSeconds?: number | undefined;
}

export function encodeStatusDetails({ code, message, json, retryAfterSeconds }: StatusDetails): Uint8Array {
  const any: Init<Any> = { typeUrl: STRUCT_URL, value: Struct.encode(structFromJson(json)) };
  const retry: Init<Any>[] = retryAfterSeconds === undefined ? [] : [{ typeUrl: RETRY_URL, value: RetryInfo.encode({ retryDelay: { seconds: retryAfterSeconds } }) }];
  return Status.encode({ code, message, details: [any, ...retry] });
}

/** The JSON of the first Struct in a status's details; undefined where there is none or the bytes are not a status. */
export function decodeStatusDetails(bytes: Uint8Array): JsonObject | undefined {
  try {
    const any = Status.decode(bytes).details.find((detail) => detail.typeUrl === STRUCT_URL);
    return any === undefined ? undefined : structToJson(Struct.decode(any.value));
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
