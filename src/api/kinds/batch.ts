/** Jobs and CronJobs. */
import type { CronJob, Job, JobSpec } from 'kubernetes-types/batch/v1.js';
import { type FieldError, invalid, required } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { selectorMatches, validateSelector } from '../../kube/selector.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { formatAge, formatDuration } from '../../kube/age.ts';
import { atLeast, immutableField, oneOf } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, integer, shown, textAt, type Kind } from './kind.ts';
import { validatePodTemplate } from './pod-template.ts';
import { templateWarnings } from './pod-warnings.ts';
import { templateColumns } from './workload-columns.ts';

const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';
const JOB_NAME = 'batch.kubernetes.io/job-name';
/** A pod's name is the job's with eleven characters behind, and a CronJob's job has eleven more. */
const CRON_NAME_MAX = 52;

export const jobs: Kind = {
  info: infoOf('jobs'),
  model: 'V1Job',
  subresources: ['status'],
  hasGeneration: true,
  defaultPropagation: 'Orphan',
  warnings: templateWarnings('spec', 'template'),
  checkName: checkDnsSubdomain,
  prepareForCreate: (draft) => {
    draft['status'] = {};
    const { spec } = typed<Job>(draft);
    if (spec!.manualSelector !== true) selectOwnPods(draft, spec!);
    const labels = spec!.template.metadata?.labels;
    if (draft.metadata.labels === undefined && labels !== undefined) draft.metadata.labels = { ...labels };
  },
  validate: (object) => validateJob(typed<Job>(object).spec!, object.metadata.uid ?? ''),
  validateUpdate: (object, old) => {
    const [now, before] = [typed<Job>(object).spec!, typed<Job>(old).spec!];
    const mayChange = now.suspend === true || before.suspend === true;
    return [
      // An indexed one may become larger or smaller as a whole.
      ...(now.completionMode === 'Indexed' && now.completions === now.parallelism ? [] : immutableField('spec.completions', now.completions, before.completions)),
      // A job that does not run may still be given other resources and places.
      ...(mayChange ? [] : immutableField('spec.template', now.template, before.template)),
    ];
  },
  selectableFields: { 'status.successful': (object) => textAt(object, 'status', 'succeeded') || '0' },
  columns: [
    column('Status', statusText),
    column('Completions', completionsText),
    column('Duration', (object, wallMs) => {
      const { startTime, completionTime } = typed<Job>(object).status ?? {};
      if (startTime === undefined) return '';
      return formatDuration((completionTime === undefined ? wallMs : Date.parse(completionTime)) - Date.parse(startTime));
    }),
    age,
    ...templateColumns(),
  ],
  hasAgeColumn: false,
};

/** The server names the pods of a job, so that two jobs never take each other's. */
function selectOwnPods({ metadata }: KubeObject, spec: JobSpec): void {
  const uid = metadata.uid ?? '';
  spec.selector = { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, [CONTROLLER_UID]: uid } };
  const labels = { [CONTROLLER_UID]: uid, [JOB_NAME]: metadata.name, 'controller-uid': uid, 'job-name': metadata.name };
  spec.template.metadata = { ...spec.template.metadata, labels: { ...spec.template.metadata?.labels, ...labels } };
}

interface FailureRule {
  readonly action: string;
  readonly onExitCodes?: object;
  readonly onPodConditions?: readonly object[];
}

const FAILURE_ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const JOB_RESTARTS = ['OnFailure', 'Never'];

type FullJobSpec = JobSpec & { podReplacementPolicy?: string; backoffLimitPerIndex?: number; podFailurePolicy?: { rules: readonly FailureRule[] } };

/** Of a job, its selector too: it takes what the server has named for it, or what a person answers for. */
function validateJob(spec: FullJobSpec, uid: string): FieldError[] {
  const { selector, template, manualSelector } = spec;
  const errors = validateJobSpec(spec, 'spec');
  const labels = template.metadata?.labels;
  const mismatch = invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
  if (selector === undefined) errors.push(required('spec.selector'), mismatch);
  else {
    errors.push(...validateSelector(selector, 'spec.selector'));
    const expected = { matchLabels: { [CONTROLLER_UID]: uid } };
    if (manualSelector !== true && !equalJson(selector, expected)) errors.push(invalid('spec.selector', selector, '`selector` not auto-generated'));
    if (!selectorMatches(selector, labels ?? {})) errors.push(mismatch);
  }
  return errors;
}

function validateJobSpec(spec: FullJobSpec, path: string): FieldError[] {
  const errors = (['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished', 'backoffLimitPerIndex'] as const).flatMap((field) =>
    atLeast(`${path}.${field}`, spec[field]),
  );
  errors.push(...oneOf(`${path}.completionMode`, spec.completionMode, ['NonIndexed', 'Indexed']));
  if (spec.completionMode === 'Indexed' && spec.completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  if (spec.completionMode !== 'Indexed' && spec.backoffLimitPerIndex !== undefined) {
    errors.push(invalid(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, 'requires indexed completion mode'));
  }
  spec.podFailurePolicy?.rules.forEach(({ action, onExitCodes, onPodConditions = [] }, index) => {
    const at = `${path}.podFailurePolicy.rules[${index}]`;
    errors.push(...oneOf(`${at}.action`, action, FAILURE_ACTIONS));
    if (onExitCodes === undefined && onPodConditions.length === 0) {
      errors.push({ reason: 'FieldValueInvalid', field: at, message: 'Invalid value: specifying one of OnExitCodes and OnPodConditions is required' });
    }
  });
  errors.push(...oneOf(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed', 'TerminatingOrFailed']));
  errors.push(...validatePodTemplate(spec.template, `${path}.template`));
  const restarts = spec.template.spec?.restartPolicy ?? '';
  const at = `${path}.template.spec.restartPolicy`;
  // Nobody said so: it is what a pod is by default.
  if (restarts === '' || restarts === 'Always') errors.push(required(at, 'valid values: "OnFailure", "Never"'));
  else errors.push(...oneOf(at, restarts, JOB_RESTARTS));
  return errors;
}

function statusText(object: KubeObject): string {
  const { conditions = [] } = typed<Job>(object).status ?? {};
  const has = (type: string) => conditions.some((condition) => condition.type === type && condition.status === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (object.metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (has('Suspended')) return 'Suspended';
  return has('FailureTarget') ? 'FailureTarget' : has('SuccessCriteriaMet') ? 'SuccessCriteriaMet' : 'Running';
}

function completionsText(object: KubeObject): string {
  const { spec, status } = typed<Job>(object);
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

export const cronJobs: Kind = {
  info: infoOf('cronjobs'),
  model: 'V1CronJob',
  subresources: ['status'],
  hasGeneration: true,
  warnings: templateWarnings('spec', 'jobTemplate', 'spec', 'template'),
  checkName: (name) => [...checkDnsSubdomain(name), ...(name.length > CRON_NAME_MAX ? [`must be no more than ${CRON_NAME_MAX} characters`] : [])],
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => validateCronJob(typed<CronJob>(object).spec!),
  selectableFields: {},
  columns: [
    column('Schedule', (object) => textAt(object, 'spec', 'schedule')),
    column('Timezone', (object) => shown(object, 'spec', 'timeZone')),
    { ...column('Suspend', (object) => (typed<CronJob>(object).spec?.suspend === true ? 'True' : 'False')), type: 'boolean' },
    { ...integer('Active'), value: (object) => typed<CronJob>(object).status?.active?.length ?? 0 },
    column('Last Schedule', (object, wallMs) => {
      const last = typed<CronJob>(object).status?.lastScheduleTime;
      return last === undefined ? '<none>' : formatAge(last, wallMs);
    }),
    age,
    ...templateColumns((object) => typed<CronJob>(object).spec?.jobTemplate.spec),
  ],
  hasAgeColumn: false,
};

const NAMED_SCHEDULE = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)$/;
const SCHEDULE_FIELD = /^[\d*?/,\-A-Za-z]+$/;

function validateCronJob(spec: NonNullable<CronJob['spec']>): FieldError[] {
  const { schedule, timeZone, concurrencyPolicy } = spec;
  const errors = validateJobSpec(spec.jobTemplate.spec!, 'spec.jobTemplate.spec');
  if (schedule === '') errors.push(required('spec.schedule'));
  else if (schedule.includes('TZ')) errors.push(invalid('spec.schedule', schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  else {
    const problem = scheduleProblem(schedule);
    if (problem !== undefined) errors.push(invalid('spec.schedule', schedule, problem));
  }
  if (timeZone === '') errors.push(invalid('spec.timeZone', timeZone, 'timeZone must be nil or non-empty string'));
  else if (timeZone !== undefined && !isTimeZone(timeZone)) errors.push(invalid('spec.timeZone', timeZone, `unknown time zone ${timeZone}`));
  errors.push(...atLeast('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds), ...oneOf('spec.concurrencyPolicy', concurrencyPolicy, ['Allow', 'Forbid', 'Replace']));
  for (const field of ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit'] as const) errors.push(...atLeast(`spec.${field}`, spec[field]));
  return errors;
}

/** Minute, hour, day of the month, month, day of the week. */
const SCHEDULE_BOUNDS: readonly (readonly [low: number, high: number])[] = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 6]];

function scheduleProblem(text: string): string | undefined {
  if (text.startsWith('@')) return NAMED_SCHEDULE.test(text) ? undefined : `unrecognized descriptor: ${text}`;
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  const bad = fields.find((field) => !SCHEDULE_FIELD.test(field));
  if (bad !== undefined) return `failed to parse ${bad}`;
  return fields.map((field, index) => boundsProblem(field, SCHEDULE_BOUNDS[index]!)).find((problem) => problem !== undefined);
}

function boundsProblem(field: string, [low, high]: readonly [number, number]): string | undefined {
  for (const part of field.split(',')) {
    const [from = '', to = from] = part.split('/')[0]!.split('-');
    // The day of the week may be called 7 as well as 0 by some; not by Kubernetes.
    if (/^\d+$/.test(from) && Number(from) < low) return `beginning of range (${from}) below minimum (${low}): ${part}`;
    if (/^\d+$/.test(to) && Number(to) > high) return `end of range (${to}) above maximum (${high}): ${part}`;
  }
  return undefined;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '' && name.toLowerCase() !== 'local';
  } catch {
    return false;
  }
}
