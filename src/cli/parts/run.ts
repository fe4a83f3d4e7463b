/** Which module runs which part. Each is loaded alone, so that a part pays in time and memory for itself only. */
import { UserError } from '../../base/errors.ts';

export async function runPart(name: string, _argv: readonly string[]): Promise<number> {
  switch (name) {
    default:
      throw new UserError(`${name} cannot be started yet`);
  }
}
