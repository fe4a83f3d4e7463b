/** What callers of the API server ask about an error, and the error made of a `metav1.Status` that arrived. */
import { ApiError, REASON_CODES, isReason, type Reason, type StatusDetails } from '../kube/errors.ts';

/** The fields of a `metav1.Status` that matter to a caller; it comes from outside, so any may be missing. */
export interface ReceivedStatus {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: StatusDetails;
}

export function statusError(status: ReceivedStatus, cause?: unknown): ApiError {
  const { reason = '', message = reason || 'the API server failed', details } = status;
  return new ApiError(knownReason(reason), message, {
    ...(details === undefined ? {} : { details }),
    ...(cause === undefined ? {} : { cause }),
  });
}

export function apiError(reason: Reason, message: string, cause?: unknown): ApiError {
  return new ApiError(reason, message, cause === undefined ? {} : { cause });
}

/** `Gone` is what older servers say for `Expired`. */
function knownReason(reason: string): Reason {
  if (reason === 'Gone') return 'Expired';
  return Object.hasOwn(REASON_CODES, reason) ? (reason as Reason) : 'InternalError'; // a key of the table
}

export const isNotFound = (error: unknown): boolean => isReason(error, 'NotFound');
export const isConflict = (error: unknown): boolean => isReason(error, 'Conflict');
export const isAlreadyExists = (error: unknown): boolean => isReason(error, 'AlreadyExists');
/** A resourceVersion that the server no longer has: list again. */
export const isExpired = (error: unknown): boolean => isReason(error, 'Expired');
