import type { Pod, PodSpec, PodStatus, ServiceAccount } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbidden, forbiddenField, invalid } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { cloneJson, equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { formatAge } from '../../kube/age.ts';
import { podReason } from '../../kube/pod-reason.ts';
import { ephemeralContainers } from './ephemeral-containers.ts';
import { column, textAt, wide, type Kind, type Lookup } from './kind.ts';
import { infoOf } from './info.ts';
import { validatePodSpec } from './pod-template.ts';
import { qosClass } from './qos.ts';
import { resize } from './resize.ts';
import { addTokenVolume } from './token-volume.ts';
import { podAnnotationWarnings, podSpecWarnings } from './pod-warnings.ts';

export interface PodRules {
  /** How long a pod stays bound to a node that is not ready or not reachable, unless it says otherwise: 300 in Kubernetes. */
  readonly evictionTolerationSeconds: number;
  /** The end of a token volume's name; absent: no tokens are issued, and pods get no such volume. */
  readonly tokenVolumeSuffix?: (() => string) | undefined;
}

export const podKind = ({ evictionTolerationSeconds, tokenVolumeSuffix }: PodRules): Kind => ({
  info: infoOf('pods'),
  model: 'V1Pod',
  subresources: ['status', 'binding', 'eviction', 'ephemeralcontainers', 'resize'],
  hasGeneration: true,
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft, { now }) => {
    const spec = typed<Pod>(draft).spec!;
    draft['status'] = { phase: 'Pending', qosClass: qosClass(spec), ...gatedStatus(spec, now) };
    if (!spec.serviceAccountName) spec.serviceAccountName = spec.serviceAccount = 'default';
    spec.priority ??= 0;
    spec.preemptionPolicy ??= 'PreemptLowerPriority';
    spec.tolerations = withEvictionTolerations(spec, evictionTolerationSeconds);
  },
  // Who replaces a pod by its manifest means what the manifest means.
  prepareForUpdate: (draft) => {
    const spec = typed<Pod>(draft).spec!;
    spec.tolerations = withEvictionTolerations(spec, evictionTolerationSeconds);
  },
  resolve: (draft, namespace, lookup) => resolvePod(draft, namespace, { lookup, tokenVolumeSuffix }),
  parts: { ephemeralcontainers: ephemeralContainers, resize },
  warnings: (object) => [...podSpecWarnings(typed<Pod>(object).spec!, 'spec'), ...podAnnotationWarnings(object.metadata.annotations, 'metadata')],
  validate: (object) => validatePodSpec(typed<Pod>(object).spec!, 'spec'),
  validateCreate: (object) => (typed<Pod>(object).spec!.ephemeralContainers === undefined ? [] : [forbiddenField('spec.ephemeralContainers', 'cannot be set on create')]),
  validateUpdate: validatePodUpdate,
  selectableFields: {
    'spec.nodeName': (pod) => textAt(pod, 'spec', 'nodeName'),
    'spec.restartPolicy': (pod) => textAt(pod, 'spec', 'restartPolicy'),
    'spec.schedulerName': (pod) => textAt(pod, 'spec', 'schedulerName'),
    'spec.serviceAccountName': (pod) => textAt(pod, 'spec', 'serviceAccountName'),
    'spec.hostNetwork': (pod) => textAt(pod, 'spec', 'hostNetwork') || 'false',
    'status.phase': (pod) => textAt(pod, 'status', 'phase'),
    'status.podIP': (pod) => textAt(pod, 'status', 'podIP'),
    // Kubernetes knows it, and has nothing in it.
    'status.podIPs': () => '',
    'status.nominatedNodeName': (pod) => textAt(pod, 'status', 'nominatedNodeName'),
  },
  graceSeconds: (object, asked) => {
    const { spec, status } = typed<Pod>(object);
    // Nobody has to stop anything for a pod that runs nowhere.
    if (!spec?.nodeName || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 0;
    const seconds = asked ?? spec.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
  columns: [
    column('Ready', (pod) => readyText(pod)),
    column('Status', (pod) => podReason(pod)),
    column('Restarts', restartsText),
    column('Age', (pod, wallMs) => formatAge(pod.metadata.creationTimestamp, wallMs)),
    wide('IP', (pod) => textAt(pod, 'status', 'podIP') || '<none>'),
    wide('Node', (pod) => textAt(pod, 'spec', 'nodeName') || '<none>'),
    wide('Nominated Node', (pod) => textAt(pod, 'status', 'nominatedNodeName') || '<none>'),
    wide('Readiness Gates', gatesText),
  ],
  hasAgeColumn: false,
});

interface PodContext {
  readonly lookup: Lookup;
  readonly tokenVolumeSuffix: PodRules['tokenVolumeSuffix'];
}

/** Its priority is that of its class; its service account must be there, and gives it a token. */
async function resolvePod(draft: KubeObject, namespace: string, { lookup, tokenVolumeSuffix: suffix }: PodContext): Promise<void> {
  const { spec } = typed<Pod>(draft);
  if (spec === undefined) return;
  const refuse = (why: string) => forbidden(infoOf('pods'), draft.metadata.name || (draft.metadata.generateName ?? ''), why);
  const name = spec.serviceAccountName || 'default';
  const account = suffix === undefined && name === 'default' ? undefined : await lookup.get('serviceaccounts', namespace, name);
  // Every namespace gets its default one in time.
  if (name !== 'default' && account === undefined) {
    throw refuse(`error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`);
  }
  if (suffix !== undefined) addTokenVolume(spec, { annotations: draft.metadata.annotations, account: account && typed<ServiceAccount>(account), suffix });
  const chosen = await priorityClassOf(spec, lookup);
  if (chosen === undefined && spec.priorityClassName) throw refuse(`no PriorityClass with name ${spec.priorityClassName} was found`);
  const priority = Number(chosen?.['value'] ?? 0);
  const preemptionPolicy = textAt(chosen, 'preemptionPolicy') || 'PreemptLowerPriority';
  const given = 'must not be provided in pod spec; priority admission controller computed';
  if (spec.priority !== undefined && spec.priority !== priority) {
    throw refuse(`the integer value of priority (${spec.priority}) ${given} ${priority} from the given PriorityClass name`);
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== preemptionPolicy) {
    throw refuse(`the string value of PreemptionPolicy (${spec.preemptionPolicy}) ${given} ${preemptionPolicy} from the given PriorityClass name`);
  }
  if (chosen !== undefined) spec.priorityClassName = chosen.metadata.name;
  Object.assign(spec, { priority, preemptionPolicy });
}

async function priorityClassOf({ priorityClassName }: PodSpec, lookup: Lookup): Promise<KubeObject | undefined> {
  if (priorityClassName) return lookup.get('priorityclasses', '', priorityClassName);
  const standard = (await lookup.list('priorityclasses')).filter((one) => one['globalDefault'] === true);
  // There should be one; of several the lowest counts.
  return standard.sort((a, b) => Number(a['value']) - Number(b['value']))[0];
}

/** Only this much of a pod's spec may change: it describes processes that already run. */
function validatePodUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  const spec = cloneJson(typed<Pod>(object).spec!);
  const before = typed<Pod>(old).spec!;
  const allowed: PodSpec = {
    ...spec,
    containers: before.containers.map((container, index) => ({
      ...container,
      // What is no image is an error of its own.
      image: spec.containers[index]?.image ?? '',
    })),
    ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers }),
  };
  const lengths = (['containers', 'initContainers'] as const).filter((field) => (spec[field] ?? []).length !== (before[field] ?? []).length);
  if (lengths.length > 0) return lengths.map((field) => forbiddenField(`spec.${field}`, `pod updates may not add or remove ${field === 'containers' ? 'containers' : 'init containers'}`));
  const errors = [...validateDeadline(spec, before), ...validateGatesKept(spec, before), ...validateTolerationsKept(spec, before)];
  if (errors.length > 0) return errors;
  const same = (field: keyof PodSpec) => equalJson(spec[field], before[field]);
  const mayShorten = (before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1;
  const free: readonly (keyof PodSpec)[] = ['activeDeadlineSeconds', 'tolerations', 'schedulingGates', ...(mayShorten ? (['terminationGracePeriodSeconds'] as const) : [])];
  const fields = [...new Set([...Object.keys(spec), ...Object.keys(before)])] as (keyof PodSpec)[]; // names of its fields
  const changed = fields.filter((field) => field !== 'containers' && !free.includes(field) && !same(field));
  if (changed.length === 0 && equalJson(spec.containers, allowed.containers)) return [];
  return [
    forbiddenField(
      'spec',
      'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
        '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
        '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
    ),
  ];
}

/** A pod's end may only come nearer. */
function validateDeadline({ activeDeadlineSeconds: now }: PodSpec, { activeDeadlineSeconds: before }: PodSpec): FieldError[] {
  const path = 'spec.activeDeadlineSeconds';
  if (before === undefined) return [];
  if (now === undefined) return [invalid(path, now, 'must not update from a positive integer to nil value')];
  return now > before ? [invalid(path, now, 'must be less than or equal to previous value')] : [];
}

type Gated = PodSpec & { schedulingGates?: { name: string }[] };

function validateGatesKept({ schedulingGates: now = [] }: Gated, { schedulingGates: before = [] }: Gated): FieldError[] {
  return now.flatMap(({ name }, index) => {
    if (before.some((old) => old.name === name)) return [];
    return [forbiddenField(`spec.schedulingGates[${index}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`)];
  });
}

function validateTolerationsKept(spec: PodSpec, before: PodSpec): FieldError[] {
  const now = spec.tolerations ?? [];
  const isKept = (before.tolerations ?? []).every((old) => now.some((toleration) => equalJson({ ...toleration, tolerationSeconds: 0 }, { ...old, tolerationSeconds: 0 })));
  return isKept ? [] : [forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

/** A pod that waits for its gates says so from its first moment. */
function gatedStatus({ schedulingGates = [] }: PodSpec, now: string): Pick<PodStatus, 'conditions'> {
  if (schedulingGates.length === 0) return {};
  const message = 'Scheduling is blocked due to non-empty scheduling gates';
  return { conditions: [{ type: 'PodScheduled', status: 'False', lastTransitionTime: now, reason: 'SchedulingGated', message }] };
}

/** As the admission plugin DefaultTolerationSeconds. */
function withEvictionTolerations(spec: PodSpec, tolerationSeconds: number): NonNullable<PodSpec['tolerations']> {
  const tolerations = [...(spec.tolerations ?? [])];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const isTolerated = tolerations.some((toleration) => {
      const names = toleration.key === key || (!toleration.key && toleration.operator === 'Exists');
      return names && (!toleration.effect || toleration.effect === 'NoExecute');
    });
    if (!isTolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds });
  }
  return tolerations;
}

// --- what kubectl prints

function statusOf(object: KubeObject): PodStatus {
  return typed<Pod>(object).status ?? {};
}

function readyText(object: KubeObject): string {
  const { containerStatuses = [], initContainerStatuses = [] } = statusOf(object);
  const sidecars = sidecarsOf(object);
  const beside = initContainerStatuses.filter(({ name, ready, started }) => sidecars.has(name) && ready && started === true);
  const ready = containerStatuses.filter((status) => status.ready && status.state?.running !== undefined);
  return `${ready.length + beside.length}/${(typed<Pod>(object).spec?.containers.length ?? 0) + sidecars.size}`;
}

/** What is begun before the others and runs beside them counts as one of them. */
function sidecarsOf(object: KubeObject): ReadonlySet<string> {
  const all = typed<Pod>(object).spec?.initContainers ?? [];
  return new Set(all.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name));
}

function gatesText(object: KubeObject): string {
  const gates = typed<Pod>(object).spec?.readinessGates ?? [];
  const isOpen = (gate: string) => (statusOf(object).conditions ?? []).some(({ type, status }) => type === gate && status === 'True');
  return gates.length === 0 ? '<none>' : `${gates.filter(({ conditionType }) => isOpen(conditionType)).length}/${gates.length}`;
}

function restartsText(object: KubeObject, wallMs: number): string {
  const sidecars = sidecarsOf(object);
  const { containerStatuses = [], initContainerStatuses = [] } = statusOf(object);
  const statuses = [...containerStatuses, ...initContainerStatuses.filter(({ name }) => sidecars.has(name))];
  const restarts = statuses.reduce((sum, status) => sum + status.restartCount, 0);
  const last = statuses.map((status) => status.lastState?.terminated?.finishedAt ?? '').sort().at(-1);
  return restarts > 0 && last ? `${restarts} (${formatAge(last, wallMs)} ago)` : String(restarts);
}

