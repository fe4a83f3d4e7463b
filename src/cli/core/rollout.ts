/** What `rollout` says, in kubectl's words, from a Deployment and its ReplicaSets. */
import { at, findCondition, list, number, text, type View } from './view.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const CHANGE_CAUSE = 'kubernetes.io/change-cause';
export const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';

export type RolloutStatus =
  | { readonly type: 'done' | 'waiting'; readonly message: string }
  | { readonly type: 'failed'; readonly message: string };

export function rolloutStatus(deployment: View): RolloutStatus {
  const { name, generation } = deployment.metadata;
  if ((generation ?? 0) > number(at(deployment, 'status', 'observedGeneration'))) {
    return { type: 'waiting', message: 'Waiting for deployment spec update to be observed...' };
  }
  const progressing = findCondition(deployment, 'Progressing');
  if (progressing?.['reason'] === 'ProgressDeadlineExceeded') {
    return { type: 'failed', message: `deployment ${JSON.stringify(name)} exceeded its progress deadline` };
  }
  const wanted = number(at(deployment, 'spec', 'replicas'), 1);
  const updated = number(at(deployment, 'status', 'updatedReplicas'));
  const total = number(at(deployment, 'status', 'replicas'));
  const available = number(at(deployment, 'status', 'availableReplicas'));
  const waiting = (what: string): RolloutStatus => {
    return { type: 'waiting', message: `Waiting for deployment ${JSON.stringify(name)} rollout to finish: ${what}...` };
  };
  if (updated < wanted) return waiting(`${updated} out of ${wanted} new replicas have been updated`);
  if (total > updated) return waiting(`${total - updated} old replicas are pending termination`);
  if (available < updated) return waiting(`${available} of ${updated} updated replicas are available`);
  return { type: 'done', message: `deployment ${JSON.stringify(name)} successfully rolled out` };
}

export function revisionOf(object: View): number {
  return Number(object.metadata.annotations?.[REVISION] ?? '0') || 0;
}

/** The ReplicaSets that are this Deployment's, oldest revision first. */
export function revisionsOf(deployment: View, replicaSets: readonly View[]): View[] {
  return replicaSets
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === deployment.metadata.uid) === true)
    .filter((replicaSet) => revisionOf(replicaSet) > 0)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
}

export function historyRows(revisions: readonly View[]): string[][] {
  const rows = revisions.map((one) => [String(revisionOf(one)), one.metadata.annotations?.[CHANGE_CAUSE] ?? '<none>']);
  return [['REVISION', 'CHANGE-CAUSE'], ...rows];
}

export type UndoPlan =
  | { readonly type: 'undo'; readonly template: unknown; readonly changeCause: string | undefined }
  | { readonly type: 'skip'; readonly revision: number }
  | { readonly type: 'refuse'; readonly message: string };

/** Back to which template? `toRevision` 0: to the one before the current. */
export function planUndo(deployment: View, replicaSets: readonly View[], toRevision: number): UndoPlan {
  if (at(deployment, 'spec', 'paused') === true) {
    const { name } = deployment.metadata;
    const message = `you cannot rollback a paused deployment; resume it first with 'podium rollout resume deployment/${name}' and try again`;
    return { type: 'refuse', message };
  }
  const revisions = revisionsOf(deployment, replicaSets);
  const target = toRevision > 0 ? revisions.find((one) => revisionOf(one) === toRevision) : revisions.at(-2);
  if (target === undefined) {
    const message = toRevision > 0 ? `unable to find specified revision ${toRevision} in history` : 'no rollout history found for deployment';
    return { type: 'refuse', message: `${message} ${JSON.stringify(deployment.metadata.name)}` };
  }
  if (target === revisions.at(-1)) return { type: 'skip', revision: revisionOf(target) };
  return {
    type: 'undo',
    template: withoutHash(at(target, 'spec', 'template')),
    changeCause: target.metadata.annotations?.[CHANGE_CAUSE],
  };
}

/** A ReplicaSet's template carries the label that tells its pods apart; a Deployment's does not. */
export function withoutHash(template: unknown): unknown {
  const metadata = at(template, 'metadata');
  const labels = Object.fromEntries(
    Object.entries((at(metadata, 'labels') as object | undefined) ?? {}).filter(([key]) => key !== 'pod-template-hash'),
  );
  return { ...(template as object), metadata: { ...(metadata as object), labels } };
}

/** What `rollout history --revision N` shows of a template. */
export function templateLines(template: unknown): string[] {
  const lines = ['Pod Template:'];
  const labels = Object.entries((at(template, 'metadata', 'labels') as object | undefined) ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  labels.forEach(([key, value], i) => lines.push(`  ${i === 0 ? 'Labels:' : '       '}\t${key}=${text(value)}`));
  lines.push('  Containers:');
  for (const container of list(at(template, 'spec', 'containers'))) {
    lines.push(`   ${text(at(container, 'name'))}:`, `    Image:\t${text(at(container, 'image'))}`);
    const command = list(at(container, 'command')).map((word) => text(word));
    if (command.length > 0) lines.push(`    Command:\t${command.join(' ')}`);
  }
  return lines;
}
