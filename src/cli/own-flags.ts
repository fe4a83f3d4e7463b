/** Flags of what stands behind `podium store`: those verbs do not go through commander (program.ts), as the store's own flags do not. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { describeError, UserError } from '../base/errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: O }>>['values'];

/** Takes no words, only flags that `options` names. */
export function parseOwnFlags<O extends Options>(verb: string, { args, options }: { readonly args: readonly string[]; readonly options: O }): Values<O> {
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UserError(`${describeError(error)}; "${verb} --help" lists the flags`);
  }
}
