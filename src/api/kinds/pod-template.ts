/** Validation of a pod's spec, wherever it stands: in a pod, or in the template of what makes pods. */
import type { PodSpec, PodTemplateSpec } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, required } from '../../kube/errors.ts';
import { checkDnsLabel, checkDnsSubdomain, checkIp, checkQualifiedName } from '../../kube/names.ts';
import { checked, findDuplicates, oneOf, validateAnnotations, validateLabels } from '../core/validate.ts';
import { validateContainer, validateHostPorts, validateId, type Placed } from './container.ts';
import { validateAffinity, validateSpread, validateTolerations } from './pod-placement.ts';
import { validateVolumes } from './volumes.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const PREEMPTION_POLICIES = ['Never', 'PreemptLowerPriority'];
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const SYSCTL_LENGTH_MAX = 253;

export function validatePodTemplate(template: PodTemplateSpec, path: string): FieldError[] {
  const { labels, annotations } = template.metadata ?? {};
  return [
    ...validateLabels(labels, `${path}.labels`),
    ...validateAnnotations(annotations, `${path}.annotations`),
    ...validatePodSpec(template.spec!, `${path}.spec`),
  ];
}

export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const main: Placed[] = spec.containers.map((container, index) => ({ container, at: `${path}.containers[${index}]` }));
  const initial: Placed[] = (spec.initContainers ?? []).map((container, index) => ({ container, at: `${path}.initContainers[${index}]` }));
  const all = [...main, ...initial];
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const surroundings = { volumes, isOnHostNetwork: spec.hostNetwork === true, neverRestarts: spec.restartPolicy === 'Never' };
  return [
    ...validateVolumes(spec.volumes ?? [], `${path}.volumes`),
    ...(main.length === 0 ? [required(`${path}.containers`)] : []),
    ...all.flatMap((placed) => validateContainer(placed, surroundings)),
    ...findDuplicates(all.map(({ container }) => container.name), (index) => `${all[index]!.at}.name`),
    ...validateHostPorts(all),
    ...oneOf(`${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES),
    ...validateDns(spec, path),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validateSecurity(spec, `${path}.securityContext`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateGates(spec, path),
    ...validateSpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`),
    ...validateNames(spec, path),
  ];
}

function validateDns({ dnsPolicy, dnsConfig }: PodSpec, path: string): FieldError[] {
  const errors = oneOf(`${path}.dnsPolicy`, dnsPolicy, DNS_POLICIES);
  if (dnsPolicy !== 'None' || (dnsConfig?.nameservers ?? []).length > 0) return errors;
  if (dnsConfig === undefined) return [...errors, required(`${path}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None')];
  return [...errors, required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')];
}

function validateSecurity({ securityContext = {} }: PodSpec, path: string): FieldError[] {
  const { supplementalGroups = [], sysctls = [] } = securityContext;
  const ids = (['fsGroup', 'runAsUser', 'runAsGroup'] as const).flatMap((field) => validateId(securityContext[field], `${path}.${field}`));
  const groups = supplementalGroups.flatMap((group, index) => validateId(group, `${path}.supplementalGroups[${index}]`));
  const names = sysctls.flatMap(({ name }, index): FieldError[] => {
    const at = `${path}.sysctls[${index}].name`;
    if (name === '') return [required(at)];
    const isName = SYSCTL.test(name) && name.length <= SYSCTL_LENGTH_MAX;
    const rule = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
    return isName ? [] : [invalid(at, name, `must have at most ${SYSCTL_LENGTH_MAX} characters and match regex ${rule}`)];
  });
  return [...ids, ...groups, ...names];
}

function validateGates({ readinessGates = [], schedulingGates = [], nodeName }: PodSpec & { schedulingGates?: { name: string }[] }, path: string): FieldError[] {
  const errors = readinessGates.flatMap(({ conditionType }, index) =>
    checked(`${path}.readinessGates[${index}].conditionType`, conditionType, checkQualifiedName(conditionType)),
  );
  const seen = new Set<string>();
  schedulingGates.forEach(({ name }, index) => {
    const at = `${path}.schedulingGates[${index}]`;
    errors.push(...checked(at, name, checkQualifiedName(name)));
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
  });
  if (schedulingGates.length > 0 && nodeName) errors.push(forbiddenField(`${path}.nodeName`, 'cannot be set until all schedulingGates have been cleared'));
  return errors;
}

function validateNames(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: 'serviceAccountName' | 'nodeName' | 'hostname' | 'subdomain' | 'priorityClassName' | 'runtimeClassName', rule: (name: string) => string[]) => {
    const value = spec[field];
    if (value) errors.push(...checked(`${path}.${field}`, value, rule(value)));
  };
  check('serviceAccountName', checkDnsSubdomain);
  check('nodeName', checkDnsSubdomain);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && deadline < 1) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'));
  }
  check('hostname', checkDnsLabel);
  check('subdomain', checkDnsLabel);
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`));
  spec.hostAliases?.forEach(({ ip = '', hostnames = [] }, index) => {
    const at = `${path}.hostAliases[${index}]`;
    errors.push(...checked(`${at}.ip`, ip, checkIp(ip)));
    hostnames.forEach((name, place) => errors.push(...checked(`${at}.hostnames[${place}]`, name, checkDnsSubdomain(name))));
  });
  check('priorityClassName', checkDnsSubdomain);
  check('runtimeClassName', checkDnsSubdomain);
  return [...errors, ...oneOf(`${path}.preemptionPolicy`, spec.preemptionPolicy, PREEMPTION_POLICIES)];
}
