/** What the API server refuses with: one error class that carries a `metav1.Status`, and Kubernetes' wordings. */
import { qualifiedKind, qualifiedResource } from './resources.ts';
import type { Status, StatusCause } from './types.ts';

/** Reasons and their HTTP codes. */
export const REASON_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const satisfies Record<string, number>;

export type Reason = keyof typeof REASON_CODES;

export type StatusDetails = NonNullable<Status['details']>;

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: Reason;
  readonly details: StatusDetails | undefined;
  /** Of a list that can be gone on with all the same: by this token. */
  readonly continue: string | undefined;

  constructor(reason: Reason, message: string, options: { details?: StatusDetails; continue?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.details = options.details;
    this.continue = options.continue;
  }

  /** HTTP's number. */
  get code(): number {
    return REASON_CODES[this.reason];
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

export function isReason(error: unknown, ...reasons: readonly Reason[]): boolean {
  return error instanceof ApiError && reasons.includes(error.reason);
}

/** A finding about one field; the words are those of Kubernetes' field package. */
export interface FieldError {
  readonly reason:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueNotSupported'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueTooLong'
    | 'FieldValueNotFound';
  readonly field: string;
  readonly message: string;
}

export function required(field: string, detail = ''): FieldError {
  return { reason: 'FieldValueRequired', field, message: detail === '' ? 'Required value' : `Required value: ${detail}` };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(value ?? null)}: ${detail}` };
}

/** The words in the order in which Kubernetes names them. */
export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((word) => JSON.stringify(word)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value ?? null)}: supported values: ${list}`;
  return { reason: 'FieldValueNotSupported', field, message };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${JSON.stringify(value)}` };
}

export function tooLong(field: string, bytesMax: number): FieldError {
  return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${bytesMax} bytes` };
}

export function notFoundField(field: string, value: unknown): FieldError {
  return { reason: 'FieldValueNotFound', field, message: `Not found: ${JSON.stringify(value)}` };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` };
}

interface Named {
  readonly group: string;
  readonly resource: string;
  readonly kind: string;
}

const about = (info: Named, name: string): StatusDetails => ({
  ...(name === '' ? {} : { name }),
  ...(info.group === '' ? {} : { group: info.group }),
  kind: info.resource,
});

export function badRequest(message: string): ApiError {
  return new ApiError('BadRequest', message);
}

export function notFound(info: Named, name: string): ApiError {
  return new ApiError('NotFound', `${qualifiedResource(info)} ${quote(name)} not found`, { details: about(info, name) });
}

export function alreadyExists(info: Named, name: string): ApiError {
  const message = `${qualifiedResource(info)} ${quote(name)} already exists`;
  return new ApiError('AlreadyExists', message, { details: about(info, name) });
}

export function conflict(info: Named, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualifiedResource(info)} ${quote(name)}: ${why}`;
  return new ApiError('Conflict', message, { details: about(info, name) });
}

export const STALE_OBJECT =
  'the object has been modified; please apply your changes to the latest version and try again';

export function forbidden(info: Named, name: string, why: string, causes?: StatusCause[]): ApiError {
  const details = { ...about(info, name), ...(causes === undefined ? {} : { causes }) };
  return new ApiError('Forbidden', `${qualifiedResource(info)} ${quote(name)} is forbidden: ${why}`, { details });
}

export function invalidObject(info: Named, name: string, errors: readonly FieldError[]): ApiError {
  const texts = [...new Set(errors.map((error) => `${error.field}: ${error.message}`))];
  const all = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  const isFirst = (error: FieldError, index: number) => errors.findIndex((other) => other.field === error.field && other.message === error.message) === index;
  const causes = errors.filter(isFirst).map(({ reason, field, message }) => ({ reason, message, field }));
  const details = { ...about(info, name), kind: info.kind, causes };
  return new ApiError('Invalid', `${qualifiedKind(info)} ${quote(name)} is invalid: ${all}`, { details });
}

/** Of kinds, subresources and paths that there are none of: which, the client knows. */
export function unknownResource(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', { details: {} });
}

export function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource', { details: {} });
}

export function expired(message: string): ApiError {
  return new ApiError('Expired', message);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
