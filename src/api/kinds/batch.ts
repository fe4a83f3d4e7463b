/** Jobs and CronJobs. */
import type { CronJob, Job, JobSpec } from 'kubernetes-types/batch/v1.js';
import { type FieldError, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsSubdomain } from '../../kube/names.ts';
import { typed, type KubeObject } from '../../kube/types.ts';
import { formatAge, formatDuration } from '../../kube/age.ts';
import { immutableField } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, integer, shown, textAt, type Kind } from './kind.ts';
import { validatePodSpec } from './pod-template.ts';
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
  validate: (object) => validateJobSpec(typed<Job>(object).spec!, 'spec'),
  validateUpdate: (object, old) => {
    const [now, before] = [typed<Job>(object).spec!, typed<Job>(old).spec!];
    const mayChange = now.suspend === true || before.suspend === true;
    return [
      // A job that does not run may still be given other resources and places.
      ...(mayChange ? [] : immutableField('spec.template', now.template, before.template)),
      // An indexed one may become larger or smaller as a whole.
      ...(now.completionMode === 'Indexed' && now.completions === now.parallelism ? [] : immutableField('spec.completions', now.completions, before.completions)),
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

function validateJobSpec(spec: JobSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) errors.push(invalid(`${path}.${field}`, value, 'must be greater than or equal to 0'));
  }
  if (!['Indexed', 'NonIndexed'].includes(spec.completionMode ?? 'NonIndexed')) errors.push(notSupported(`${path}.completionMode`, spec.completionMode, ['NonIndexed', 'Indexed']));
  if (spec.completionMode === 'Indexed' && spec.completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  const pod = spec.template.spec;
  if (pod === undefined) return [...errors, required(`${path}.template.spec`)];
  errors.push(...validatePodSpec(pod, `${path}.template.spec`));
  if (pod.restartPolicy === 'Always') {
    const valid = ['OnFailure', 'Never'];
    errors.push({ ...notSupported(`${path}.template.spec.restartPolicy`, 'Always', valid), message: 'Required value: valid values: "OnFailure", "Never"', reason: 'FieldValueRequired' });
  }
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
  validate: (object) => {
    const spec = typed<CronJob>(object).spec!;
    const errors = validateJobSpec(spec.jobTemplate.spec!, 'spec.jobTemplate.spec');
    const problem = scheduleProblem(spec.schedule);
    if (problem !== undefined) errors.push(invalid('spec.schedule', spec.schedule, problem));
    if (spec.schedule.includes('TZ')) errors.push(invalid('spec.schedule', spec.schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
    if (spec.timeZone !== undefined && !isTimeZone(spec.timeZone)) errors.push(invalid('spec.timeZone', spec.timeZone, `unknown time zone ${spec.timeZone}`));
    if (!['Allow', 'Forbid', 'Replace'].includes(spec.concurrencyPolicy ?? '')) {
      errors.push(notSupported('spec.concurrencyPolicy', spec.concurrencyPolicy, ['Allow', 'Forbid', 'Replace']));
    }
    for (const field of ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit', 'startingDeadlineSeconds'] as const) {
      const value = spec[field];
      if (value !== undefined && value < 0) errors.push(invalid(`spec.${field}`, value, 'must be greater than or equal to 0'));
    }
    return errors;
  },
  selectableFields: {},
  columns: [
    column('Schedule', (object) => textAt(object, 'spec', 'schedule')),
    column('Timezone', (object) => shown(object, 'spec', 'timeZone')),
    column('Suspend', (object) => (typed<CronJob>(object).spec?.suspend === true ? 'True' : 'False')),
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

function scheduleProblem(text: string): string | undefined {
  if (text.startsWith('@')) return NAMED_SCHEDULE.test(text) ? undefined : `unrecognized descriptor: ${text}`;
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  const bad = fields.find((field) => !SCHEDULE_FIELD.test(field));
  return bad === undefined ? undefined : `failed to parse ${bad}`;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name !== '' && name.toLowerCase() !== 'local';
  } catch {
    return false;
  }
}
