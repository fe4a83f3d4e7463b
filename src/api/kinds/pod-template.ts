/** Validation of a pod's spec, wherever it stands: in a pod, or in the template of what makes pods. */
import type { Container, ContainerPort, PodSpec, Probe, Volume } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, notSupported, required } from '../../kube/errors.ts';
import { checkDnsLabel, checkDnsSubdomain, checkPortName, checkPortNumber } from '../../kube/names.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { findDuplicates, validateLabels } from '../core/validate.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.containers.length === 0) errors.push(required(`${path}.containers`));
  const all = [
    ...(spec.initContainers ?? []).map((container, index) => ({ container, at: `${path}.initContainers[${index}]` })),
    ...spec.containers.map((container, index) => ({ container, at: `${path}.containers[${index}]` })),
  ];
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  for (const { container, at } of all) errors.push(...validateContainer(container, at, volumes));
  errors.push(...findDuplicates(all.map(({ container }) => container.name), (index) => `${all[index]!.at}.name`));
  errors.push(...validateVolumes(spec.volumes ?? [], `${path}.volumes`));
  errors.push(...validateHostPorts(all));
  if (!RESTART_POLICIES.includes(spec.restartPolicy ?? '')) {
    errors.push(notSupported(`${path}.restartPolicy`, spec.restartPolicy ?? '', RESTART_POLICIES));
  }
  const grace = spec.terminationGracePeriodSeconds ?? 0;
  if (grace < 0) errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'));
  errors.push(...validateLabels(spec.nodeSelector, `${path}.nodeSelector`));
  errors.push(...validateTolerations(spec, path));
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field];
    if (value) for (const message of checkDnsLabel(value)) errors.push(invalid(`${path}.${field}`, value, message));
  }
  for (const field of ['nodeName', 'serviceAccountName'] as const) {
    const value = spec[field];
    if (value) for (const message of checkDnsSubdomain(value)) errors.push(invalid(`${path}.${field}`, value, message));
  }
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && deadline < 1) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'));
  }
  return errors;
}

function validateContainer(container: Container, at: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  if (container.name !== '') {
    for (const message of checkDnsLabel(container.name)) errors.push(invalid(`${at}.name`, container.name, message));
  }
  if (container.image === undefined || container.image === '') errors.push(required(`${at}.image`));
  else if (container.image !== container.image.trim()) {
    errors.push(invalid(`${at}.image`, container.image, 'must not have leading or trailing whitespace'));
  }
  if (!PULL_POLICIES.includes(container.imagePullPolicy ?? '')) {
    errors.push(notSupported(`${at}.imagePullPolicy`, container.imagePullPolicy ?? '', PULL_POLICIES));
  }
  container.ports?.forEach((port, index) => errors.push(...validatePort(port, `${at}.ports[${index}]`)));
  errors.push(...findDuplicates((container.ports ?? []).map(({ name }) => name), (index) => `${at}.ports[${index}].name`));
  container.env?.forEach((variable, index) => {
    const path = `${at}.env[${index}]`;
    if (!/^[^=\0]+$/.test(variable.name)) {
      errors.push(invalid(`${path}.name`, variable.name, "a valid environment variable name must not contain '='"));
    }
    if (variable.valueFrom !== undefined) {
      if (variable.value !== undefined && variable.value !== '') {
        errors.push(invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'));
      }
      const sources = Object.keys(variable.valueFrom).length;
      if (sources === 0) errors.push(invalid(`${path}.valueFrom`, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'));
      if (sources > 1) errors.push(invalid(`${path}.valueFrom`, '', 'may not have more than one field specified at a time'));
    }
  });
  const mountPaths = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  container.volumeMounts?.forEach((mount, index) => {
    if (!volumes.has(mount.name)) {
      const field = `${at}.volumeMounts[${index}].name`;
      errors.push({ reason: 'FieldValueInvalid', field, message: `Not found: ${JSON.stringify(mount.name)}` });
    }
  });
  errors.push(
    ...findDuplicates(mountPaths, (index) => `${at}.volumeMounts[${index}].mountPath`).map((error) => ({
      ...error,
      reason: 'FieldValueInvalid' as const,
      message: error.message.replace('Duplicate value', 'Invalid value') + ': must be unique',
    })),
  );
  errors.push(...validateResources(container, `${at}.resources`));
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const value = container[probe];
    if (value !== undefined) errors.push(...validateProbe(value, `${at}.${probe}`, probe !== 'readinessProbe'));
  }
  return errors;
}

function validatePort(port: ContainerPort, at: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const message of checkPortNumber(port.containerPort)) errors.push(invalid(`${at}.containerPort`, port.containerPort, message));
  if (port.hostPort) for (const message of checkPortNumber(port.hostPort)) errors.push(invalid(`${at}.hostPort`, port.hostPort, message));
  if (port.name) for (const message of checkPortName(port.name)) errors.push(invalid(`${at}.name`, port.name, message));
  if (!PROTOCOLS.includes(port.protocol ?? '')) errors.push(notSupported(`${at}.protocol`, port.protocol ?? '', PROTOCOLS));
  return errors;
}

function validateHostPorts(all: readonly { readonly container: Container; readonly at: string }[]): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const { container, at } of all) {
    container.ports?.forEach(({ hostPort, hostIP = '', protocol }, index) => {
      if (!hostPort) return;
      const key = `${protocol}/${hostIP}/${hostPort}`;
      if (seen.has(key)) errors.push(duplicate(`${at}.ports[${index}].hostPort`, key));
      seen.add(key);
    });
  }
  return errors;
}

function validateResources({ resources = {} }: Container, at: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['limits', 'requests'] as const) {
    for (const [name, amount] of Object.entries(resources[field] ?? {})) {
      const nano = parseQuantity(amount);
      if (nano !== undefined && nano < 0n) errors.push(invalid(`${at}.${field}[${name}]`, amount, 'must be greater than or equal to 0'));
    }
  }
  for (const [name, amount] of Object.entries(resources.requests ?? {})) {
    const limit = resources.limits?.[name];
    if (limit !== undefined && (parseQuantity(amount) ?? 0n) > (parseQuantity(limit) ?? 0n)) {
      errors.push(invalid(`${at}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`));
    }
  }
  return errors;
}

function validateProbe(probe: Probe, at: string, mustSucceedOnce: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const handlers = (['exec', 'httpGet', 'tcpSocket', 'grpc'] as const).filter((name) => name in probe);
  if (handlers.length === 0) errors.push(required(at, 'must specify a handler type'));
  handlers.slice(1).forEach((name) => errors.push(forbiddenField(`${at}.${name}`, 'may not specify more than 1 handler type')));
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const) {
    const value = probe[field] ?? 0;
    if (value < 0) errors.push(invalid(`${at}.${field}`, value, 'must be greater than or equal to 0'));
  }
  if (mustSucceedOnce && probe.successThreshold !== 1) errors.push(invalid(`${at}.successThreshold`, probe.successThreshold, 'must be 1'));
  for (const name of ['httpGet', 'tcpSocket'] as const) {
    const port = probe[name]?.port;
    if (port === undefined) continue;
    const messages = typeof port === 'number' ? checkPortNumber(port) : checkPortName(port);
    for (const message of messages) errors.push(invalid(`${at}.${name}.port`, port, message));
  }
  return errors;
}

function validateVolumes(volumes: readonly Volume[], path: string): FieldError[] {
  const errors = volumes.flatMap((volume, index) => {
    const found = checkDnsLabel(volume.name).map((message) => invalid(`${path}[${index}].name`, volume.name, message));
    const sources = Object.keys(volume).filter((field) => field !== 'name');
    sources.slice(1).forEach((source) => found.push(forbiddenField(`${path}[${index}].${source}`, 'may not specify more than 1 volume type')));
    return found;
  });
  return [...errors, ...findDuplicates(volumes.map(({ name }) => name), (index) => `${path}[${index}].name`)];
}

function validateTolerations(spec: PodSpec, path: string): FieldError[] {
  return (spec.tolerations ?? []).flatMap((toleration, index) => {
    const at = `${path}.tolerations[${index}]`;
    const errors: FieldError[] = [];
    const { operator = 'Equal', effect = '', key = '' } = toleration;
    if (!['', 'Equal', 'Exists'].includes(operator)) errors.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    if (key === '' && operator !== 'Exists') {
      errors.push(invalid(`${at}.operator`, operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'));
    }
    if (!['', 'NoSchedule', 'PreferNoSchedule', 'NoExecute'].includes(effect)) {
      errors.push(notSupported(`${at}.effect`, effect, ['NoSchedule', 'PreferNoSchedule', 'NoExecute']));
    }
    return errors;
  });
}
