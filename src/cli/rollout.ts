/** `podium rollout`: watch a Deployment change, look at its revisions, go back, restart, pause, resume. */
import { formatTime } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { inNamespace, resources, type ResourceRef } from '../client/api-client.ts';
import { isConflict } from '../client/api-error.ts';
import { type CliContext, EXIT_FAILED, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import {
  CHANGE_CAUSE,
  historyRows,
  planUndo,
  RESTARTED_AT,
  revisionOf,
  revisionsOf,
  rolloutStatus,
  templateLines,
} from './core/rollout.ts';
import { renderRows } from './core/table.ts';
import { at, type View } from './core/view.ts';
import { listAll, parseTarget } from './resources.ts';

export interface RolloutOptions {
  readonly namespace?: string;
  readonly watch?: boolean;
  readonly timeout?: string;
  readonly toRevision?: string;
  readonly revision?: string;
}

export type RolloutVerb = 'status' | 'history' | 'undo' | 'restart' | 'pause' | 'resume';

const CONFLICT_RETRIES_MAX = 5;

export async function rollout(context: CliContext, verb: RolloutVerb, words: readonly string[], options: RolloutOptions): Promise<number> {
  const { info, name } = parseTarget(words, 'deployment');
  if (info.resource !== 'deployments') throw new UserError(`error: roll-outs are of deployments, not of ${info.resource}`);
  const ref = inNamespace(info, options.namespace ?? 'default');
  const deployment = await context.api.get<View>(ref, name);
  switch (verb) {
    case 'status':
      return status(context, ref, deployment, options);
    case 'history':
      return history(context, deployment, options);
    case 'undo':
      return undo(context, ref, deployment, options);
    case 'restart': {
      if (at(deployment, 'spec', 'paused') === true) {
        throw new UserError(`error: deployments.apps ${JSON.stringify(name)} can't restart paused deployment (run rollout resume first)`);
      }
      const annotations = { [RESTARTED_AT]: formatTime(context.clock.wall()) };
      return patch(context, ref, name, { spec: { template: { metadata: { annotations } } } }, 'restarted');
    }
    case 'pause':
    case 'resume': {
      const isPaused = at(deployment, 'spec', 'paused') === true;
      const wantsPaused = verb === 'pause';
      if (isPaused === wantsPaused) {
        throw new UserError(`error: deployments.apps ${JSON.stringify(name)} is ${wantsPaused ? 'already' : 'not'} paused`);
      }
      return patch(context, ref, name, { spec: { paused: wantsPaused } }, `${verb}d`);
    }
  }
}

async function patch(context: CliContext, ref: ResourceRef, name: string, change: object, word: string): Promise<number> {
  await context.api.patch<View>(ref, name, { type: 'merge', patch: change });
  context.write(`deployment.apps/${name} ${word}\n`);
  return EXIT_OK;
}

async function status(context: CliContext, ref: ResourceRef, first: View, options: RolloutOptions): Promise<number> {
  const { name } = first.metadata;
  const limitMs = parseDuration(options.timeout ?? '0');
  if (limitMs === undefined) throw new UserError(`error: --timeout must be a duration such as 30s, not ${JSON.stringify(options.timeout)}`);
  const timeout = new AbortController();
  const timer = limitMs === 0 ? undefined : context.clock.setTimer(limitMs, () => timeout.abort());
  const signal = AbortSignal.any([context.signal, timeout.signal]);
  let shown = '';
  const show = (deployment: View): number | undefined => {
    const { type, message } = rolloutStatus(deployment);
    if (type === 'failed') throw new UserError(`error: ${message}`);
    if (message !== shown) context.write(`${message}\n`);
    shown = message;
    return type === 'done' || options.watch === false ? EXIT_OK : undefined;
  };
  try {
    let outcome = show(first);
    while (outcome === undefined) {
      // Without a version it begins with the state, however the server's memory begins.
      for await (const event of context.api.watch<View>(ref, { fieldSelector: `metadata.name=${name}`, signal })) {
        if (event.type === 'BOOKMARK') continue;
        if (event.type === 'DELETED') throw new UserError('error: object has been deleted');
        outcome = show(event.object);
        if (outcome !== undefined) break;
      }
    }
    return outcome;
  } catch (error) {
    if (!timeout.signal.aborted) throw error;
    context.warn('error: timed out waiting for the condition');
    return EXIT_FAILED;
  } finally {
    timer?.cancel();
  }
}

async function replicaSetsOf(context: CliContext, deployment: View): Promise<View[]> {
  return (await listAll(context.api, inNamespace(resources.replicaSets, deployment.metadata.namespace))).items;
}

async function history(context: CliContext, deployment: View, options: RolloutOptions): Promise<number> {
  const { name } = deployment.metadata;
  const revisions = revisionsOf(deployment, await replicaSetsOf(context, deployment));
  if (options.revision === undefined || options.revision === '0') {
    context.write(`deployment.apps/${name} \n${renderRows(historyRows(revisions))}\n`);
    return EXIT_OK;
  }
  const wanted = Number(options.revision);
  const found = revisions.find((one) => revisionOf(one) === wanted);
  if (found === undefined) throw new UserError(`error: unable to find the specified revision ${options.revision}`);
  context.write(`deployment.apps/${name} with revision #${wanted}\n${templateLines(at(found, 'spec', 'template')).join('\n')}\n`);
  return EXIT_OK;
}

async function undo(context: CliContext, ref: ResourceRef, first: View, options: RolloutOptions): Promise<number> {
  const toRevision = Number(options.toRevision ?? '0');
  if (!Number.isInteger(toRevision) || toRevision < 0) {
    throw new UserError(`error: --to-revision must be a revision's number, not ${JSON.stringify(options.toRevision)}`);
  }
  let deployment = first;
  for (let attempt = 0; ; attempt++) {
    const plan = planUndo(deployment, await replicaSetsOf(context, deployment), toRevision);
    if (plan.type === 'refuse') throw new UserError(`error: ${plan.message}`);
    const { name } = deployment.metadata;
    if (plan.type === 'skip') {
      context.write(`deployment.apps/${name} skipped rollback (current template already matches revision ${plan.revision})\n`);
      return EXIT_OK;
    }
    const { [CHANGE_CAUSE]: _, ...annotations } = deployment.metadata.annotations ?? {};
    const changeCause = plan.changeCause === undefined ? {} : { [CHANGE_CAUSE]: plan.changeCause };
    const wanted: View = {
      ...deployment,
      metadata: { ...deployment.metadata, annotations: { ...annotations, ...changeCause } },
      spec: { ...(deployment['spec'] as object), template: plan.template },
    };
    try {
      // The whole template is replaced: a patch could not take away what the newer version added.
      await context.api.update<View>(ref, wanted);
      context.write(`deployment.apps/${name} rolled back\n`);
      return EXIT_OK;
    } catch (error) {
      if (!isConflict(error) || attempt >= CONFLICT_RETRIES_MAX) throw error;
      deployment = await context.api.get<View>(ref, name);
    }
  }
}
