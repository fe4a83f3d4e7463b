// Written by scripts/generate.ts from proto/grpc/health.proto. Do not edit.
import { codec, type MessageCodec } from './wire.ts';

export interface HealthCheckRequest {
  service: string;
}

export const HealthCheckRequest: MessageCodec<HealthCheckRequest> = codec<HealthCheckRequest>(
  'grpc.health.v1.HealthCheckRequest',
  (w, m) => {
    if (m.service) {
      w.uint32(10).string(m.service);
    }
  },
  (r, end) => {
    const m: HealthCheckRequest = { service: '' };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 10: {
          m.service = r.string();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ service: m.service ?? '' }),
);

export const ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const;

export interface HealthCheckResponse {
  status: number;
}

export const HealthCheckResponse: MessageCodec<HealthCheckResponse> = codec<HealthCheckResponse>(
  'grpc.health.v1.HealthCheckResponse',
  (w, m) => {
    if (m.status) {
      w.uint32(8).int32(m.status);
    }
  },
  (r, end) => {
    const m: HealthCheckResponse = { status: 0 };
    while (r.position < end) {
      const tag = r.tag();
      switch (tag) {
        case 8: {
          m.status = r.int32();
          break;
        }
        default:
          r.skip(tag);
      }
    }
    return m;
  },
  (m) => ({ status: m.status ?? 0 }),
);

export const Health = {
  typeName: 'grpc.health.v1.Health',
  methods: {
    check: {
      path: '/grpc.health.v1.Health/Check',
      request: HealthCheckRequest,
      response: HealthCheckResponse,
      requestStream: false,
      responseStream: false,
    },
    watch: {
      path: '/grpc.health.v1.Health/Watch',
      request: HealthCheckRequest,
      response: HealthCheckResponse,
      requestStream: false,
      responseStream: true,
    },
  },
} as const;
