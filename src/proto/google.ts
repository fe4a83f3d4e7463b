// Written by scripts/generate.ts from proto/google/protobuf/any.proto, proto/google/protobuf/duration.proto, proto/google/protobuf/struct.proto, proto/google/rpc/error_details.proto, proto/google/rpc/status.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

const EMPTY = new Uint8Array(0);

export interface Any {
  typeUrl: string;
  value: Uint8Array;
}

export const Any: MessageCodec<Any> = codec<Any>(
  'google.protobuf.Any',
  (w, m) => {
    if (m.typeUrl) {
      w.uint32(10).string(m.typeUrl);
    }
    if (m.value !== undefined && m.value.length > 0) {
      w.uint32(18).bytes(m.value);
    }
  },
  (r, end) => {
    const m: Any = { typeUrl: '', value: EMPTY };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.typeUrl = r.string();
          break;
        }
        case 18: {
          m.value = r.bytes();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ typeUrl: m.typeUrl ?? '', value: m.value ?? EMPTY }),
);

export interface Duration {
  seconds: number;
  nanos: number;
}

export const Duration: MessageCodec<Duration> = codec<Duration>(
  'google.protobuf.Duration',
  (w, m) => {
    if (m.seconds) {
      w.uint32(8).int64(m.seconds);
    }
    if (m.nanos) {
      w.uint32(16).int32(m.nanos);
    }
  },
  (r, end) => {
    const m: Duration = { seconds: 0, nanos: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.seconds = r.int64();
          break;
        }
        case 16: {
          m.nanos = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ seconds: m.seconds ?? 0, nanos: m.nanos ?? 0 }),
);

export interface Struct {
  fields: Map<string, Value>;
}

export const Struct: MessageCodec<Struct> = codec<Struct>(
  'google.protobuf.Struct',
  (w, m) => {
    if (m.fields !== undefined)
      for (const [key, item] of m.fields) {
        const entry = w.open(10);
        w.uint32(10).string(key);
        const start = w.open(18);
        Value.write(w, item);
        w.close(start);
        w.close(entry);
      }
  },
  (r, end) => {
    const m: Struct = { fields: new Map() };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          let key = '';
          let item = Value.create();
          while (r.position < to) {
            const inner = r.tag();
            switch (inner) {
              case 10:
                key = r.string();
                break;
              case 18: {
                const itemEnd = r.enter();
                item = Value.read(r, itemEnd);
                r.leave(itemEnd);
                break;
              }
              default:
                r.skip(inner);
            }
          }
          m.fields.set(key, item);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ fields: new Map([...(m.fields ?? [])].map(([key, item]) => [key, Value.create(item)])) }),
);

export interface Value {
  kind:
    | { case: 'nullValue'; value: number }
    | { case: 'numberValue'; value: number }
    | { case: 'stringValue'; value: string }
    | { case: 'boolValue'; value: boolean }
    | { case: 'structValue'; value: Struct }
    | { case: 'listValue'; value: ListValue }
    | undefined;
}

export const Value: MessageCodec<Value> = codec<Value>(
  'google.protobuf.Value',
  (w, m) => {
    {
      const one = m.kind;
      if (one !== undefined)
        switch (one.case) {
          case 'nullValue': {
            w.uint32(8).int32(one.value);
            break;
          }
          case 'numberValue': {
            w.uint32(17).double(one.value);
            break;
          }
          case 'stringValue': {
            w.uint32(26).string(one.value);
            break;
          }
          case 'boolValue': {
            w.uint32(32).bool(one.value);
            break;
          }
          case 'structValue': {
            const start = w.open(42);
            Struct.write(w, one.value);
            w.close(start);
            break;
          }
          case 'listValue': {
            const start = w.open(50);
            ListValue.write(w, one.value);
            w.close(start);
            break;
          }
        }
    }
  },
  (r, end) => {
    const m: Value = { kind: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.kind = { case: 'nullValue', value: r.int32() };
          break;
        }
        case 17: {
          m.kind = { case: 'numberValue', value: r.double() };
          break;
        }
        case 26: {
          m.kind = { case: 'stringValue', value: r.string() };
          break;
        }
        case 32: {
          m.kind = { case: 'boolValue', value: r.bool() };
          break;
        }
        case 42: {
          const to = r.enter();
          m.kind = { case: 'structValue', value: Struct.read(r, to) };
          r.leave(to);
          break;
        }
        case 50: {
          const to = r.enter();
          m.kind = { case: 'listValue', value: ListValue.read(r, to) };
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
    kind: (() => {
      const one = m.kind;
      if (one === undefined) return undefined;
      switch (one.case) {
        case 'nullValue':
          return { case: one.case, value: one.value };
        case 'numberValue':
          return { case: one.case, value: one.value };
        case 'stringValue':
          return { case: one.case, value: one.value };
        case 'boolValue':
          return { case: one.case, value: one.value };
        case 'structValue':
          return { case: one.case, value: Struct.create(one.value) };
        case 'listValue':
          return { case: one.case, value: ListValue.create(one.value) };
      }
    })(),
  }),
);

export const NullValue = {
  NULL_VALUE: 0,
} as const;

export interface ListValue {
  values: Value[];
}

export const ListValue: MessageCodec<ListValue> = codec<ListValue>(
  'google.protobuf.ListValue',
  (w, m) => {
    if (m.values !== undefined)
      for (const item of m.values) {
        const start = w.open(10);
        Value.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: ListValue = { values: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.values.push(Value.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ values: (m.values ?? []).map((item) => Value.create(item)) }),
);

export interface RetryInfo {
  retryDelay: Duration | undefined;
}

export const RetryInfo: MessageCodec<RetryInfo> = codec<RetryInfo>(
  'google.rpc.RetryInfo',
  (w, m) => {
    if (m.retryDelay !== undefined) {
      const start = w.open(10);
      Duration.write(w, m.retryDelay);
      w.close(start);
    }
  },
  (r, end) => {
    const m: RetryInfo = { retryDelay: undefined };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          const to = r.enter();
          m.retryDelay = Duration.read(r, to);
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ retryDelay: m.retryDelay === undefined ? undefined : Duration.create(m.retryDelay) }),
);

export interface Status {
  code: number;
  message: string;
  details: Any[];
}

export const Status: MessageCodec<Status> = codec<Status>(
  'google.rpc.Status',
  (w, m) => {
    if (m.code) {
      w.uint32(8).int32(m.code);
    }
    if (m.message) {
      w.uint32(18).string(m.message);
    }
    if (m.details !== undefined)
      for (const item of m.details) {
        const start = w.open(26);
        Any.write(w, item);
        w.close(start);
      }
  },
  (r, end) => {
    const m: Status = { code: 0, message: '', details: [] };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.code = r.int32();
          break;
        }
        case 18: {
          m.message = r.string();
          break;
        }
        case 26: {
          const to = r.enter();
          m.details.push(Any.read(r, to));
          r.leave(to);
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ code: m.code ?? 0, message: m.message ?? '', details: (m.details ?? []).map((item) => Any.create(item)) }),
);
