/** Raised by an await whose `AbortSignal` fired. */
export class AbortedError extends Error {
  override readonly name = 'AbortedError';
  constructor(what: string) {
    super(`${what}: aborted`);
  }
}

/** Raised by an await that passed its deadline; `what` says what was waited for. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
  constructor(what: string, afterMs: number) {
    super(`${what}: not within ${afterMs} ms`);
  }
}

/** Bad input from a person or a file: the message names the field and the remedy, and no stack trace is shown. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** The message of anything that was thrown, with the messages of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`;
}

/** The `code` of a Node.js system error (`ENOENT`, …), or undefined. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** A write for which the disk, or the user's share of it, has no room; of what tells so in words only. */
export class NoSpaceError extends Error {
  override readonly name = 'NoSpaceError';
  readonly code = 'ENOSPC';
}

/** Whether there was no room, by the error or one of its causes. */
export function isNoSpace(error: unknown): boolean {
  const code = systemErrorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  return error instanceof Error && error.cause !== undefined && isNoSpace(error.cause);
}
