/** `podium cordon`, `uncordon` and `drain`: keep new pods off a node, and move the ones it has. */
import { sleep } from '../base/clock.ts';
import { UserError } from '../base/errors.ts';
import { inNamespace, resources } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import { ApiError } from '../kube/errors.ts';
import { type CliContext, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import { at, list, text, type View } from './core/view.ts';
import { listAll } from './resources.ts';

export interface DrainOptions {
  readonly ignoreDaemonsets?: boolean;
  readonly deleteEmptydirData?: boolean;
  readonly force?: boolean;
  readonly gracePeriod?: string;
  readonly timeout?: string;
  readonly disableEviction?: boolean;
  readonly selector?: string;
}

const GONE_POLL_MS = 100;
/** How long to wait before a budget is asked again, as kubectl does. */
const REFUSED_RETRY_MS = 5_000;

export async function cordon(context: CliContext, nodes: readonly string[], isCordon: boolean, selector?: string): Promise<number> {
  for (const name of await chooseNodes(context, nodes, selector)) await setUnschedulable(context, name, isCordon);
  return EXIT_OK;
}

async function chooseNodes({ api }: CliContext, names: readonly string[], selector: string | undefined): Promise<string[]> {
  if (selector !== undefined && names.length > 0) throw new UserError('error: cannot specify both a node name and a --selector option');
  if (selector === undefined) {
    if (names.length === 0) throw new UserError('error: at least one node name or a --selector is required');
    return names.map((name) => name.replace(/^nodes?\//, ''));
  }
  return (await listAll(api, resources.nodes, { labelSelector: selector })).items.map(({ metadata }) => metadata.name);
}

async function setUnschedulable({ api, write }: CliContext, name: string, isCordon: boolean): Promise<void> {
  const node = await api.get<View>(resources.nodes, name);
  const isCordoned = at(node, 'spec', 'unschedulable') === true;
  const word = isCordon ? 'cordoned' : 'uncordoned';
  if (isCordoned === isCordon) return write(`node/${name} already ${word}\n`);
  await api.patch<View>(resources.nodes, name, { type: 'merge', patch: { spec: { unschedulable: isCordon ? true : null } } });
  write(`node/${name} ${word}\n`);
}

export async function drain(context: CliContext, nodes: readonly string[], options: DrainOptions): Promise<number> {
  const limitMs = parseDuration(options.timeout ?? '0');
  if (limitMs === undefined) throw new UserError(`error: --timeout must be a duration such as 30s, not ${JSON.stringify(options.timeout)}`);
  const deadlineMs = context.clock.monotonic() + (limitMs === 0 ? Infinity : limitMs);
  for (const name of await chooseNodes(context, nodes, options.selector)) {
    await setUnschedulable(context, name, true);
    const { items } = await listAll(context.api, resources.pods, { fieldSelector: `spec.nodeName=${name}` });
    const pods = selectPods(context, name, items, options);
    await Promise.all(pods.map((pod) => evict(context, pod, options, deadlineMs)));
    context.write(`node/${name} drained\n`);
  }
  return EXIT_OK;
}

/** Which pods must go; refuses where something would be lost that was not given up by a flag. */
function selectPods(context: CliContext, node: string, pods: readonly View[], options: DrainOptions): View[] {
  const problems: string[] = [];
  const leaving: View[] = [];
  for (const pod of pods) {
    const called = `${pod.metadata.namespace}/${pod.metadata.name}`;
    const isOver = ['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase')));
    const controller = pod.metadata.ownerReferences?.find((owner) => owner.controller === true);
    if (controller?.kind === 'DaemonSet') {
      if (options.ignoreDaemonsets === true) context.warn(`Warning: ignoring DaemonSet-managed Pods: ${called}`);
      else problems.push(`cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): ${called}`);
      continue;
    }
    const hasEmptyDir = list(at(pod, 'spec', 'volumes')).some((volume) => at(volume, 'emptyDir') !== undefined);
    if (!isOver && hasEmptyDir && options.deleteEmptydirData !== true) {
      problems.push(`cannot delete Pods with local storage (use --delete-emptydir-data to override): ${called}`);
    } else if (!isOver && controller === undefined && options.force !== true) {
      problems.push(`cannot delete Pods that declare no controller (use --force to override): ${called}`);
    } else leaving.push(pod);
  }
  if (problems.length > 0) {
    throw new UserError(`error: unable to drain node ${JSON.stringify(node)} due to error: ${problems.join(', ')}, continuing command...`);
  }
  return leaving;
}

async function evict(context: CliContext, pod: View, options: DrainOptions, deadlineMs: number): Promise<void> {
  const { api, clock, signal, write } = context;
  const { name, namespace, uid } = pod.metadata;
  const ref = inNamespace(resources.pods, namespace);
  const grace = options.gracePeriod === undefined ? {} : { gracePeriodSeconds: Number(options.gracePeriod) };
  write(`evicting pod ${namespace}/${name}\n`);
  for (;;) {
    try {
      if (options.disableEviction === true) await api.delete(ref, name, grace);
      else await createEviction(context, pod, grace);
      break;
    } catch (error) {
      if (isNotFound(error)) return;
      const isRefused = error instanceof ApiError && error.code === 429;
      if (!isRefused) throw error;
      context.warn(`error when evicting pods/${name} -n ${namespace} (will retry after ${REFUSED_RETRY_MS / 1000}s): ${error.message}`);
      await sleep(clock, REFUSED_RETRY_MS, signal);
    }
    requireTime(context, deadlineMs, name);
  }
  for (;;) {
    const left = await api.get<View>(ref, name).catch((error: unknown) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (left === undefined || left.metadata.uid !== uid) return write(`pod/${name} evicted\n`);
    requireTime(context, deadlineMs, name);
    await sleep(clock, GONE_POLL_MS, signal);
  }
}

async function createEviction({ api }: CliContext, pod: View, deleteOptions: object): Promise<void> {
  const { name, namespace } = pod.metadata;
  const ref = inNamespace(resources.pods, namespace);
  const eviction: View = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    ...(Object.keys(deleteOptions).length === 0 ? {} : { deleteOptions }),
  };
  await api.create<View>(ref, eviction, { name, subresource: 'eviction' });
}

function requireTime({ clock }: CliContext, deadlineMs: number, name: string): void {
  if (clock.monotonic() >= deadlineMs) throw new UserError(`error: drain did not complete within its --timeout: pod ${name} is still there`);
}
