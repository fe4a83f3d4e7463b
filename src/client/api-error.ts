/** The one error that an `ApiClient` throws: what the API server answered, as a `metav1.Status` says it. */

export interface Status {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly status?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
  };
}

export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP's number: 404, 409, … */
  readonly code: number;
  /** Kubernetes' word: `NotFound`, `AlreadyExists`, `Conflict`, `Expired`, … */
  readonly reason: string;
  readonly status: Status;

  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? 'the API server failed', options);
    this.code = status.code ?? 500;
    this.reason = status.reason ?? 'InternalError';
    this.status = status;
  }
}

const CODES: Readonly<Record<string, number>> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
};

export function apiError(reason: string, message: string, cause?: unknown): ApiError {
  const status: Status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: CODES[reason] ?? 500, reason, message };
  return new ApiError(status, cause === undefined ? undefined : { cause });
}

function hasReason(error: unknown, ...reasons: readonly string[]): boolean {
  return error instanceof ApiError && reasons.includes(error.reason);
}

export const isNotFound = (error: unknown): boolean => hasReason(error, 'NotFound');
export const isConflict = (error: unknown): boolean => hasReason(error, 'Conflict');
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, 'AlreadyExists');
/** A resourceVersion that the server no longer has: list again. */
export const isExpired = (error: unknown): boolean => hasReason(error, 'Expired', 'Gone');
