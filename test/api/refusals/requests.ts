import { OTHER_REQUESTS } from './other-requests.ts';
import { POD_REQUESTS } from './pod-requests.ts';
import type { BadRequest } from './request.ts';
import { WORKLOAD_REQUESTS } from './workload-requests.ts';
import { WRITE_REQUESTS } from './write-requests.ts';

export const BAD_REQUESTS: readonly BadRequest[] = [...WRITE_REQUESTS, ...POD_REQUESTS, ...WORKLOAD_REQUESTS, ...OTHER_REQUESTS];
