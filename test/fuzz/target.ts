/** What a parser is to the fuzzer. */
import type { Random } from '../../src/base/random.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Of a parser that takes its time: how many the unit test tries. */
  readonly shortInputs?: number;
  /** Valid inputs. */
  seeds(): Promise<readonly Uint8Array[]>;
  /** Damage that fits the input better than that of bytes; undefined: none this time. */
  readonly damage?: (seed: Uint8Array, random: Random) => Uint8Array | undefined;
  /** After the mutation: makes checksums fit again, so that what lies behind them is reached. */
  readonly repair?: (bytes: Uint8Array, random: Random) => Uint8Array;
  /** True: it was read. False: refused as it should. Throws what it must not. */
  run(bytes: Uint8Array): boolean | Promise<boolean>;
}

/** Answers false for one of the errors that the parser's caller expects; any other is thrown on. */
export function refuses(error: unknown, ...expected: ReadonlyArray<abstract new (...args: never[]) => Error>): false {
  if (!expected.some((kind) => error instanceof kind)) throw error;
  return false;
}
