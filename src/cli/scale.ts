/** `podium scale --replicas=N deployment/NAME`. */
import { UserError } from '../base/errors.ts';
import { type CliContext, EXIT_OK } from './context.ts';
import { at, number, type View } from './core/view.ts';
import { nameOf, parseTargets, refOf } from './resources.ts';

export interface ScaleOptions {
  readonly namespace?: string;
  readonly replicas: string;
  readonly currentReplicas?: string;
}

const SCALABLE = ['deployments', 'replicasets', 'statefulsets'];

export async function scale(context: CliContext, words: readonly string[], options: ScaleOptions): Promise<number> {
  const replicas = wholeNumber('--replicas', options.replicas);
  const current = options.currentReplicas === undefined ? undefined : wholeNumber('--current-replicas', options.currentReplicas);
  for (const { info, name } of parseTargets(words)) {
    if (name === undefined) throw new UserError('error: a name is required, such as deployment/NAME');
    if (!SCALABLE.includes(info.resource)) throw new UserError(`error: ${info.resource} have no replicas to scale`);
    const ref = refOf(info, options.namespace ?? 'default');
    const before = await context.api.get<View>(ref, name);
    const actual = number(at(before, 'spec', 'replicas'), 1);
    if (current !== undefined && current !== actual) {
      throw new UserError(`error: Expected replicas to be ${current}, was ${actual}`);
    }
    const preconditions = current === undefined ? {} : { preconditions: { resourceVersion: before.metadata.resourceVersion ?? '' } };
    await context.api.patch<View>(ref, name, { type: 'merge', patch: { spec: { replicas } }, ...preconditions });
    context.write(`${nameOf(info, name)} scaled\n`);
  }
  return EXIT_OK;
}

function wholeNumber(flag: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new UserError(`error: ${flag} must be a whole number that is not negative, not ${JSON.stringify(value)}`);
  return Number(value);
}
