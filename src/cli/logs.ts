/** `podium logs`: what a container wrote, once or as it is written. */
import { UserError } from '../base/errors.ts';
import { inNamespace, resources } from '../client/api-client.ts';
import { podReason } from '../kube/pod-reason.ts';
import { type CliContext, EXIT_OK } from './context.ts';
import { parseDuration } from './core/duration.ts';
import { at, list, pairs, text, type View } from './core/view.ts';
import { listAll, parseTargets, refOf } from './resources.ts';

export interface LogsOptions {
  readonly namespace?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly container?: string;
  readonly allContainers?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly timestamps?: boolean;
  readonly selector?: string;
  readonly prefix?: boolean;
  readonly maxLogRequests?: string;
}

/** How many streams -f follows at once, as kubectl's --max-log-requests. */
const FOLLOWED_MAX = 5;
/** Lines a pod shows when several are chosen by label. */
const TAIL_OF_MANY = 10;

interface Source {
  readonly pod: View;
  readonly container: string;
}

export async function logs(context: CliContext, words: readonly string[], options: LogsOptions): Promise<number> {
  const pods = await choosePods(context, words, options);
  const sources = pods.flatMap((pod) => containersOf(pod, options).map((container): Source => ({ pod, container })));
  const max = options.maxLogRequests === undefined ? FOLLOWED_MAX : Number(options.maxLogRequests);
  if (options.follow === true && sources.length > max) {
    throw new UserError(
      `error: you are attempting to follow ${sources.length} log streams, but maximum allowed concurrency is ${max}, use --max-log-requests to increase the limit`,
    );
  }
  const read = (source: Source) => stream(context, source, options, sources.length > 1);
  if (options.follow === true) await Promise.all(sources.map(read));
  else for (const source of sources) await read(source);
  return EXIT_OK;
}

/** POD [CONTAINER], TYPE/NAME (any pod of it), or -l. */
async function choosePods(context: CliContext, words: readonly string[], { namespace = 'default', selector }: LogsOptions): Promise<View[]> {
  const { api } = context;
  const pods = inNamespace(resources.pods, namespace);
  if (selector !== undefined) {
    if (words.length > 0) throw new UserError('error: only a selector (-l) or a POD name is allowed');
    const { items } = await listAll(api, pods, { labelSelector: selector });
    if (items.length === 0) context.warn(`No resources found in ${namespace} namespace.`);
    return items;
  }
  const [word] = words;
  if (word === undefined) throw new UserError("error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'. POD or TYPE/NAME is a required argument for the logs command");
  if (!word.includes('/')) return [await api.get<View>(pods, word)];
  const [target] = parseTargets([word]);
  const object = await api.get<View>(refOf(target!.info, namespace), target!.name!);
  if (target!.info.resource === 'pods') return [object];
  const labels = at(object, 'spec', 'selector', 'matchLabels') ?? at(object, 'spec', 'selector');
  const { items } = await listAll(api, pods, { labelSelector: pairs(labels) });
  const chosen = items.find((pod) => podReason(pod) === 'Running') ?? items[0];
  if (chosen === undefined) throw new UserError(`error: no pods of ${word} to read logs from`);
  if (items.length > 1) context.warn(`Found ${items.length} pods, using pod/${chosen.metadata.name}`);
  return [chosen];
}

function containersOf(pod: View, { container, allContainers }: LogsOptions): string[] {
  const names = ['initContainers', 'containers'].map((field) => list(at(pod, 'spec', field)).map((one) => text(at(one, 'name'))));
  const [init = [], main = []] = names;
  const all = [...init, ...main];
  if (allContainers === true) return all;
  if (container !== undefined) {
    if (all.includes(container)) return [container];
    throw new UserError(`error: container ${container} is not valid for pod ${pod.metadata.name}: choose one of ${all.join(', ')}`);
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  return [preferred !== undefined && all.includes(preferred) ? preferred : (main[0] ?? '')];
}

async function stream(context: CliContext, { pod, container }: Source, options: LogsOptions, isOneOfMany: boolean): Promise<void> {
  const tail = options.tail === undefined ? (options.selector === undefined ? -1 : TAIL_OF_MANY) : Number(options.tail);
  if (!Number.isInteger(tail)) throw new UserError(`error: --tail must be a whole number of lines, not ${JSON.stringify(options.tail)}`);
  const sinceMs = options.since === undefined ? undefined : parseDuration(options.since);
  if (options.since !== undefined && sinceMs === undefined) {
    throw new UserError(`error: --since must be a duration such as 5s, 2m or 3h, not ${JSON.stringify(options.since)}`);
  }
  const request = {
    namespace: pod.metadata.namespace ?? 'default',
    name: pod.metadata.name,
    container,
    follow: options.follow === true,
    previous: options.previous === true,
    timestamps: options.timestamps === true,
    ...(tail < 0 ? {} : { tailLines: tail }),
    ...(sinceMs === undefined ? {} : { sinceSeconds: Math.ceil(sinceMs / 1000) }),
  };
  const prefix = options.prefix === true ? `[pod/${pod.metadata.name}/${container}] ` : '';
  // Lines of several streams must not be torn into each other.
  const isByLine = prefix !== '' || (isOneOfMany && request.follow);
  let rest = Buffer.alloc(0);
  for await (const chunk of context.logs(request, context.signal)) {
    if (!isByLine) {
      context.write(chunk);
      continue;
    }
    rest = Buffer.concat([rest, chunk]);
    const end = rest.lastIndexOf(0x0a) + 1;
    if (end > 0) context.write(prefixed(rest.subarray(0, end).toString(), prefix));
    rest = rest.subarray(end);
  }
  if (rest.length > 0) context.write(prefixed(rest.toString(), prefix));
}

function prefixed(lines: string, prefix: string): string {
  return prefix === '' ? lines : lines.replace(/^(?=.)/gm, prefix);
}
