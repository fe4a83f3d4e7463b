/** `podium delete`: by name, by selector or by manifest; waits until the objects are gone. */
import { sleep } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import type { DeleteOptions as ApiDeleteOptions, PropagationPolicy } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import type { ResourceInfo } from '../kube/resources.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import type { View } from './core/view.ts';
import { explain } from './errors.ts';
import { scopeOf } from './get.ts';
import { namespaceOf, readManifests } from './manifests.ts';
import { listAll, nameOf, parseTargets, refOf } from './resources.ts';

export interface DeleteOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly all?: boolean;
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly gracePeriod?: string;
  readonly now?: boolean;
  readonly force?: boolean;
  readonly ignoreNotFound?: boolean;
  readonly cascade?: string;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly output?: string;
  readonly dryRun?: string;
}

interface Doomed {
  readonly info: ResourceInfo;
  readonly name: string;
  readonly namespace: string | undefined;
}

const WAIT_POLL_MS = 50;
const POLICIES: Readonly<Record<string, PropagationPolicy>> = {
  background: 'Background',
  foreground: 'Foreground',
  orphan: 'Orphan',
};

export async function remove(context: CliContext, words: readonly string[], options: DeleteOptions): Promise<number> {
  const api = deleteOptions(options);
  const doomed = await choose(context, words, options);
  if (doomed.length === 0 && options.ignoreNotFound !== true) context.warn('No resources found');
  let exitCode = EXIT_OK;
  const deleted: (Doomed & { readonly uid: string | undefined })[] = [];
  for (const one of doomed) {
    try {
      const answer = await context.api.delete<View>(refOf(one.info, one.namespace), one.name, api);
      deleted.push({ ...one, uid: answer.metadata?.uid });
      const name = nameOf(one.info, one.name);
      const [type] = name.split('/');
      const how = options.force === true && options.gracePeriod === '0' ? 'force deleted' : 'deleted';
      context.write(options.output === 'name' ? `${name}\n` : `${type} ${JSON.stringify(one.name)} ${how}${api.dryRun ? ' (server dry run)' : ''}\n`);
    } catch (error) {
      if (options.ignoreNotFound === true && isNotFound(error)) continue;
      context.warn(explain(error) ?? '');
      exitCode = EXIT_FAILED;
    }
  }
  if (options.wait !== false && options.force !== true && !api.dryRun) await awaitGone(context, deleted, options.timeout);
  return exitCode;
}

function deleteOptions({ gracePeriod, now, force, cascade = 'background', dryRun }: DeleteOptions): ApiDeleteOptions {
  const propagationPolicy = POLICIES[cascade];
  if (propagationPolicy === undefined) {
    throw new UserError(`error: invalid cascade value (${cascade}). Must be "background", "foreground", or "orphan"`);
  }
  const seconds = now === true ? 1 : gracePeriod === undefined ? undefined : Number(gracePeriod);
  if (seconds !== undefined && !Number.isInteger(seconds)) {
    throw new UserError(`error: --grace-period must be a whole number of seconds, not ${JSON.stringify(gracePeriod)}`);
  }
  // 0 skips the goodbye and may leave two of a kind running for a moment: it wants --force beside it.
  const isForced = seconds === 0 || (force === true && seconds === undefined);
  const grace = isForced ? (force === true ? 0 : 1) : seconds;
  const isGiven = grace !== undefined && grace >= 0;
  return { propagationPolicy, dryRun: dryRun === 'server', ...(isGiven ? { gracePeriodSeconds: grace } : {}) };
}

async function choose(context: CliContext, words: readonly string[], options: DeleteOptions): Promise<Doomed[]> {
  if (options.filename !== undefined) {
    const files = { recursive: options.recursive === true, readStdin: context.readStdin };
    const manifests = await readManifests(options.filename, files);
    return manifests.map((manifest) => {
      return { info: manifest.info, name: manifest.object.metadata.name, namespace: namespaceOf(manifest, options.namespace) };
    });
  }
  const targets = parseTargets(words);
  const isBroad = targets.some(({ name }) => name === undefined);
  const isSelected = options.all === true || options.selector !== undefined || options.fieldSelector !== undefined;
  if (isBroad && !isSelected) throw new UserError('error: resource(s) were provided, but no name was specified: give names, -l or --all');
  if (!isBroad && isSelected) throw new UserError('error: name cannot be provided when a selector or --all is specified');
  const namespace = scopeOf(options);
  const chosen: Doomed[] = [];
  for (const { info, name } of targets) {
    if (name !== undefined) {
      chosen.push({ info, name, namespace });
      continue;
    }
    const selectors = {
      ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
      ...(options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
    };
    const { items } = await listAll(context.api, refOf(info, namespace), selectors);
    chosen.push(...items.map(({ metadata }) => ({ info, name: metadata.name, namespace: metadata.namespace })));
  }
  return chosen;
}

/** Gone, or another object of the same name. */
async function awaitGone(context: CliContext, deleted: readonly (Doomed & { readonly uid: string | undefined })[], timeout: string | undefined): Promise<void> {
  const limitMs = timeout === undefined ? Infinity : parseDuration(timeout);
  if (limitMs === undefined) throw new UserError(`error: --timeout must be a duration such as 30s, not ${JSON.stringify(timeout)}`);
  const deadlineMs = context.clock.monotonic() + (limitMs === 0 ? Infinity : limitMs);
  for (const { info, name, namespace, uid } of deleted) {
    for (;;) {
      const left = await context.api.get<View>(refOf(info, namespace), name).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      if (left === undefined || left.metadata.uid !== uid) break;
      if (context.clock.monotonic() >= deadlineMs) throw new UserError(`error: timed out waiting for the condition on ${nameOf(info, name)}`);
      await sleep(context.clock, WAIT_POLL_MS, context.signal);
    }
  }
}
