/** How much a namespace may use: LimitRanges and ResourceQuotas. */
import type { LimitRange, LimitRangeItem, ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, required } from '../../kube/errors.ts';
import { checkDnsSubdomain, checkQualifiedName } from '../../kube/names.ts';
import { NANO_PER_UNIT, parseQuantity } from '../../kube/quantity.ts';
import { equalJson, typed, type KubeObject } from '../../kube/types.ts';
import { checked } from '../core/validate.ts';
import { infoOf } from './info.ts';
import { age, column, createdAt, type Kind } from './kind.ts';
import { isQuotaResource, validateAmount, validateResourceName } from './resource-names.ts';

const plain = { hasGeneration: false, checkName: checkDnsSubdomain, selectableFields: {} } as const;

export const limitRanges: Kind = {
  ...plain,
  subresources: [],
  info: infoOf('limitranges'),
  model: 'V1LimitRange',
  validate: (object) => {
    const { limits } = typed<LimitRange>(object).spec!;
    return limits.flatMap((item, index) => {
      const isTwice = limits.slice(0, index).some(({ type }) => type === item.type);
      const at = `spec.limits[${index}]`;
      const named = checked(`${at}.type`, item.type, checkQualifiedName(item.type));
      return [...named, ...(isTwice ? [duplicate(`${at}.type`, item.type)] : []), ...validateItem(item, at)];
    });
  },
  columns: [createdAt],
  hasAgeColumn: false,
};

const DEFAULTS = ['default', 'defaultRequest'] as const;

function validateItem(item: LimitRangeItem, at: string): FieldError[] {
  const isPod = item.type === 'Pod';
  const place = item.type === 'Container' || isPod ? 'containers' : 'limits';
  const named = (['max', 'min', ...(isPod ? [] : DEFAULTS), 'maxLimitRequestRatio'] as const).flatMap((field) =>
    Object.keys(item[field] ?? {}).flatMap((name) => validateResourceName(name, `${at}.${field}[${name}]`, place)),
  );
  const misplaced = isPod ? DEFAULTS.filter((field) => Object.keys(item[field] ?? {}).length > 0).map((field) => forbiddenField(`${at}.${field}`, "may not be specified when `type` is 'Pod'")) : [];
  const isUnbound = item.type === 'PersistentVolumeClaim' && item.min?.['storage'] === undefined && item.max?.['storage'] === undefined;
  const unbound = isUnbound ? [required(`${at}.limits`, 'either minimum or maximum storage value is required, but neither was provided')] : [];
  const names = new Set([item.max, item.min, ...(isPod ? [] : [item.default, item.defaultRequest]), item.maxLimitRequestRatio].flatMap((amounts) => Object.keys(amounts ?? {})));
  return [...named, ...misplaced, ...unbound, ...[...names].flatMap((name) => validateBounds(item, name, at))];
}

/** What is less must not be more: the minimum, the default request, the default, the maximum. */
function validateBounds(item: LimitRangeItem, name: string, at: string): FieldError[] {
  const [min, max, ratio] = [item.min?.[name], item.max?.[name], item.maxLimitRequestRatio?.[name]];
  const isPod = item.type === 'Pod';
  const [limit, request] = isPod ? [] : [item.default?.[name], item.defaultRequest?.[name]];
  const isMore = (a: string | undefined, b: string | undefined) => a !== undefined && b !== undefined && (parseQuantity(a) ?? 0n) > (parseQuantity(b) ?? 0n);
  const errors: FieldError[] = [];
  const refuse = (field: string, value: unknown, why: string) => errors.push(invalid(`${at}.${field}[${name}]`, value, why));
  if (isMore(min, max)) refuse('min', min, `min value ${min} is greater than max value ${max}`);
  if (isMore(min, request)) refuse('defaultRequest', request, `min value ${min} is greater than default request value ${request}`);
  if (isMore(request, max)) refuse('defaultRequest', request, `default request value ${request} is greater than max value ${max}`);
  if (isMore(request, limit)) refuse('defaultRequest', request, `default request value ${request} is greater than default limit value ${limit}`);
  if (isMore(min, limit)) refuse('default', min, `min value ${min} is greater than default value ${limit}`);
  if (isMore(limit, max)) refuse('default', max, `default value ${limit} is greater than max value ${max}`);
  if (ratio !== undefined && (parseQuantity(ratio) ?? 0n) < NANO_PER_UNIT) refuse('maxLimitRequestRatio', ratio, `ratio ${ratio} is less than 1`);
  return errors;
}

// --- quotas

const SCOPES: ReadonlySet<string> = new Set([
  'BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass', 'Terminating', 'VolumeAttributesClass',
]);
/** Scopes that name what is or is not: there is nothing to choose from. */
const WITHOUT_VALUES: ReadonlySet<string> = new Set(['BestEffort', 'NotBestEffort', 'Terminating', 'NotTerminating', 'CrossNamespacePodAffinity']);
const OPPOSITES = [['BestEffort', 'NotBestEffort'], ['Terminating', 'NotTerminating']] as const;
const POD_RESOURCES = ['pods', ...['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`])];

export const resourceQuotas: Kind = {
  ...plain,
  info: infoOf('resourcequotas'),
  model: 'V1ResourceQuota',
  subresources: ['status'],
  prepareForCreate: (draft) => (draft['status'] = {}),
  validate: (object) => {
    const spec = typed<ResourceQuota>(object).spec ?? {};
    const amounts = Object.entries(spec.hard ?? {}).flatMap(([name, amount]) => {
      const at = `spec.hard[${name}]`;
      return [...validateResourceName(name, at, 'quota'), ...validateAmount(name, amount, at)];
    });
    return [...amounts, ...validateScopes(spec), ...validateScopeSelector(spec)];
  },
  validateUpdate: (object, old) => {
    const scopesOf = (one: KubeObject) => [...(typed<ResourceQuota>(one).spec?.scopes ?? [])].sort();
    return equalJson(scopesOf(object), scopesOf(old)) ? [] : [invalid('spec.scopes', typed<ResourceQuota>(object).spec?.scopes ?? [], 'field is immutable')];
  },
  columns: [column('Request', (object) => quotaText(object, false)), column('Limit', (object) => quotaText(object, true)), age],
  hasAgeColumn: false,
};

function validateScopes({ scopes = [], hard = {} }: ResourceQuotaSpec): FieldError[] {
  const refuse = (why: string) => invalid('spec.scopes', scopes, why);
  const errors = scopes.flatMap((scope) => [
    ...(SCOPES.has(scope) ? [] : [refuse('unsupported scope')]),
    ...Object.keys(hard).sort().filter((name) => !isScoped(scope, name)).map(() => refuse('unsupported scope applied to resource')),
  ]);
  return [...errors, ...OPPOSITES.filter((pair) => pair.every((scope) => scopes.includes(scope))).map(() => refuse('conflicting scopes'))];
}

/** Most scopes are of pods; one that is of pods without requests counts nothing else. */
function isScoped(scope: string, name: string): boolean {
  if (!isQuotaResource(name)) return true;
  switch (scope) {
    case 'BestEffort':
      return name === 'pods';
    case 'Terminating':
    case 'NotTerminating':
    case 'NotBestEffort':
    case 'PriorityClass':
    case 'CrossNamespacePodAffinity':
      return POD_RESOURCES.includes(name) || name.includes('ephemeral-storage');
    case 'VolumeAttributesClass':
      return name === 'persistentvolumeclaims' || name === 'requests.storage';
    default:
      return true;
  }
}

function validateScopeSelector({ scopeSelector, hard = {} }: ResourceQuotaSpec): FieldError[] {
  const path = 'spec.scopeSelector.matchExpressions';
  const requirements = scopeSelector?.matchExpressions ?? [];
  const errors = requirements.flatMap((requirement) => {
    const misapplied = Object.keys(hard).sort().filter((name) => !isScoped(requirement.scopeName, name));
    return [...validateRequirement(requirement, path), ...misapplied.map(() => invalid(path, scopeSelector, 'unsupported scope applied to resource'))];
  });
  const named = requirements.map(({ scopeName }) => scopeName as string);
  return [...errors, ...OPPOSITES.filter((pair) => pair.every((scope) => named.includes(scope))).map(() => invalid(path, named, 'conflicting scopes'))];
}

function validateRequirement({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement, path: string): FieldError[] {
  const errors = SCOPES.has(scopeName) ? [] : [invalid(`${path}.scopeName`, scopeName, 'unsupported scope')];
  if (WITHOUT_VALUES.has(scopeName) && operator !== 'Exists') {
    const names = 'ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity';
    errors.push(invalid(`${path}.operator`, operator, `must be 'Exists' when scope is any of ${names}`));
  }
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) errors.push(required(`${path}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"));
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) errors.push(invalid(`${path}.values`, values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"));
  } else errors.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
  return errors;
}

function quotaText(object: KubeObject, ofLimits: boolean): string {
  const { hard = {}, used = {} } = typed<ResourceQuota>(object).status ?? {};
  const names = Object.keys(hard).filter((name) => name.startsWith('limits') === ofLimits).sort();
  return names.map((name) => `${name}: ${used[name] ?? ''}/${hard[name]}`).join(', ');
}
