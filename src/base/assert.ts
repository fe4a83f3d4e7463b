/** Thrown by {@link assert}: one of our own invariants does not hold. It is a bug, never bad input. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * States what must hold at this point. Kept on in production: in the store a violated invariant stops the process, in
 * a stateless part it fails the one request. What crosses a trust boundary is validated instead, and refused.
 */
export function assert(condition: unknown, whatMustHold: string): asserts condition {
  if (!condition) throw new AssertionError(whatMustHold);
}

/** Closes a `switch` over a discriminated union: adding a member makes the type checker point here. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}
