/** Validation of containers, wherever they stand in a pod's spec. */
import type { Container, ContainerPort, EnvFromSource, EnvVar, EnvVarSource, Lifecycle, Probe, SecurityContext, VolumeMount } from 'kubernetes-types/core/v1.js';
import { type FieldError, duplicate, forbiddenField, invalid, notFoundField, notSupported, required } from '../../kube/errors.ts';
import { checkDnsLabel, checkEnvName, checkPortName, checkPortNumber } from '../../kube/names.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { checked, oneOf } from '../core/validate.ts';
import { isExtended, validateAmount, validateResourceName } from './resource-names.ts';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const ID_MAX = 2_147_483_647;

export interface Placed {
  readonly container: Container;
  readonly at: string;
}

export interface Surroundings {
  readonly volumes: ReadonlySet<string>;
  readonly isOnHostNetwork: boolean;
  /** The pod's containers end once. */
  readonly neverRestarts: boolean;
}

export function validateContainer({ container, at }: Placed, { volumes, isOnHostNetwork, neverRestarts }: Surroundings): FieldError[] {
  const errors = container.name === '' ? [required(`${at}.name`)] : checked(`${at}.name`, container.name, checkDnsLabel(container.name));
  if (container.image === undefined || container.image === '') errors.push(required(`${at}.image`));
  else if (container.image !== container.image.trim()) errors.push(invalid(`${at}.image`, container.image, 'must not have leading or trailing whitespace'));
  errors.push(
    ...oneOf(`${at}.terminationMessagePolicy`, container.terminationMessagePolicy, ['File', 'FallbackToLogsOnError']),
    ...validatePorts(container.ports ?? [], `${at}.ports`, isOnHostNetwork),
    ...(container.env ?? []).flatMap((variable, index) => validateEnv(variable, `${at}.env[${index}]`)),
    ...(container.envFrom ?? []).flatMap((source) => validateEnvFrom(source, `${at}.envFrom`)),
    ...validateMounts(container.volumeMounts ?? [], `${at}.volumeMounts`, volumes),
    ...oneOf(`${at}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES),
    ...validateResources(container, `${at}.resources`),
    ...validateResizePolicy(container, `${at}.resizePolicy`, neverRestarts),
    ...validateSecurity(container.securityContext, `${at}.securityContext`),
    ...validateLifecycle(container.lifecycle, `${at}.lifecycle`),
  );
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const value = container[probe];
    if (value !== undefined) errors.push(...validateProbe(value, `${at}.${probe}`, probe !== 'readinessProbe'));
  }
  return [...errors, ...oneOf(`${at}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure'])];
}

function validatePorts(ports: readonly ContainerPort[], path: string, isOnHostNetwork: boolean): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (port.name) {
      const found = checked(`${at}.name`, port.name, checkPortName(port.name));
      errors.push(...(found.length === 0 && names.has(port.name) ? [duplicate(`${at}.name`, port.name)] : found));
      names.add(port.name);
    }
    if (port.containerPort === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...checked(`${at}.containerPort`, port.containerPort, checkPortNumber(port.containerPort)));
    if (port.hostPort) errors.push(...checked(`${at}.hostPort`, port.hostPort, checkPortNumber(port.hostPort)));
    if (port.hostPort && isOnHostNetwork && port.hostPort !== port.containerPort) {
      errors.push(invalid(`${at}.hostPort`, port.hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    }
    return [...errors, ...oneOf(`${at}.protocol`, port.protocol, PROTOCOLS)];
  });
}

/** Fields of the pod that a variable may hold; of labels and annotations one may be named. */
const FIELD_PATHS: ReadonlySet<string> = new Set([
  'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName',
  'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs',
]);
const RESOURCES = ['limits', 'requests'].flatMap((of) => ['cpu', 'ephemeral-storage', 'memory'].map((name) => `${of}.${name}`));

function validateEnv({ name, value, valueFrom }: EnvVar, path: string): FieldError[] {
  const errors = name === '' ? [required(`${path}.name`)] : checked(`${path}.name`, name, checkEnvName(name));
  if (valueFrom === undefined) return errors;
  const sources = Object.keys(valueFrom).length;
  if (sources === 0) {
    errors.push(invalid(`${path}.valueFrom`, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'));
  }
  errors.push(...validateEnvSource(valueFrom, `${path}.valueFrom`));
  if (value !== undefined && value !== '') errors.push(invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'));
  else if (sources > 1) errors.push(invalid(`${path}.valueFrom`, '', 'may not have more than one field specified at a time'));
  return errors;
}

function validateEnvSource({ fieldRef, resourceFieldRef }: EnvVarSource, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (fieldRef !== undefined) {
    const { fieldPath } = fieldRef;
    const isKnown = FIELD_PATHS.has(fieldPath) || /^metadata\.(labels|annotations)\['.+'\]$/.test(fieldPath);
    const at = `${path}.fieldRef.fieldPath`;
    if (fieldPath === '') errors.push(required(at));
    else if (!isKnown) errors.push(invalid(at, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`));
  }
  if (resourceFieldRef !== undefined) {
    const at = `${path}.resourceFieldRef.resource`;
    const { resource } = resourceFieldRef;
    const isHugePages = /^(limits|requests)\.hugepages-/.test(resource);
    if (resource === '') errors.push(required(at));
    else if (!RESOURCES.includes(resource) && !isHugePages) errors.push(notSupported(at, resource, RESOURCES));
  }
  return errors;
}

function validateEnvFrom({ configMapRef, secretRef, prefix }: EnvFromSource, path: string): FieldError[] {
  const errors = prefix ? checked(`${path}.prefix`, prefix, checkEnvName(prefix)) : [];
  if (configMapRef === undefined && secretRef === undefined) errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
  if (configMapRef !== undefined && secretRef !== undefined) errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
  if (configMapRef?.name === '') errors.push(required(`${path}.configMapRef.name`));
  if (secretRef?.name === '') errors.push(required(`${path}.secretRef.name`));
  return errors;
}

function validateMounts(mounts: readonly VolumeMount[], path: string, volumes: ReadonlySet<string>): FieldError[] {
  const paths = new Set<string>();
  return mounts.flatMap(({ name, mountPath, subPath }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else if (!volumes.has(name)) errors.push(notFoundField(`${at}.name`, name));
    if (mountPath === '') errors.push(required(`${at}.mountPath`));
    else if (paths.has(mountPath)) errors.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'));
    paths.add(mountPath);
    // As it is named there, without the index.
    if (subPath !== undefined) errors.push(...validateInnerPath(subPath, `${path}.subPath`));
    return errors;
  });
}

/** Of a path that must stay where it is put. */
export function validateInnerPath(inner: string, path: string): FieldError[] {
  const errors = inner.startsWith('/') ? [invalid(path, inner, 'must be a relative path')] : [];
  return inner.split('/').includes('..') ? [...errors, invalid(path, inner, "must not contain '..'")] : errors;
}

/** Two containers of a pod cannot have the same port of their node. */
export function validateHostPorts(all: readonly Placed[]): FieldError[] {
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
  const { limits = {}, requests = {} } = resources;
  const errors = Object.entries(limits).flatMap(([name, amount]) => validateResource(name, amount, `${at}.limits[${name}]`));
  for (const [name, amount] of Object.entries(requests)) {
    errors.push(...validateResource(name, amount, `${at}.requests[${name}]`));
    const limit = limits[name];
    if (limit === undefined) continue;
    const [asked, most] = [parseQuantity(amount) ?? 0n, parseQuantity(limit) ?? 0n];
    if (isExtended(name) && asked !== most) errors.push(invalid(`${at}.requests`, amount, `must be equal to ${name} limit of ${limit}`));
    else if (asked > most) errors.push(invalid(`${at}.requests`, amount, `must be less than or equal to ${name} limit of ${limit}`));
  }
  return errors;
}

/** Of cpu and memory, once each. What ends once cannot be begun again with another size. */
function validateResizePolicy({ resizePolicy = [], restartPolicy }: Container, at: string, neverRestarts: boolean): FieldError[] {
  return resizePolicy.flatMap((policy, index) => {
    const isAgain = resizePolicy.findIndex(({ resourceName }) => resourceName === policy.resourceName) < index;
    const errors = isAgain ? [duplicate(`${at}[${index}]`, policy.resourceName)] : [];
    errors.push(...oneOf(at, policy.resourceName, ['cpu', 'memory']), ...oneOf(at, policy.restartPolicy, ['NotRequired', 'RestartContainer']));
    if (neverRestarts && restartPolicy === undefined && policy.restartPolicy === 'RestartContainer') {
      errors.push(invalid(at, policy.restartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"));
    }
    return errors;
  });
}

function validateResource(name: string, amount: string, path: string): FieldError[] {
  return [...validateResourceName(name, path, 'containers'), ...validateAmount(name, amount, path)];
}

function validateSecurity(context: SecurityContext | undefined, path: string): FieldError[] {
  if (context === undefined) return [];
  const errors = (['runAsUser', 'runAsGroup'] as const).flatMap((field) => validateId(context[field], `${path}.${field}`));
  if (context.allowPrivilegeEscalation === false && context.privileged === true) {
    errors.push(invalid(path, context, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'));
  }
  return errors;
}

/** Of a user or a group. */
export function validateId(id: number | undefined, path: string): FieldError[] {
  return id === undefined || (id >= 0 && id <= ID_MAX) ? [] : [invalid(path, id, `must be between 0 and ${ID_MAX}, inclusive`)];
}

function validateLifecycle(lifecycle: Lifecycle | undefined, path: string): FieldError[] {
  return (['postStart', 'preStop'] as const).flatMap((moment) => {
    const handler = lifecycle?.[moment];
    return handler === undefined ? [] : validateHandler(handler, `${path}.${moment}`);
  });
}

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;

function validateHandler(handler: Handler, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const kinds = Object.keys(handler).filter((name) => ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'].includes(name));
  if (kinds.length === 0) errors.push(required(at, 'must specify a handler type'));
  kinds.slice(1).forEach((name) => errors.push(forbiddenField(`${at}.${name}`, 'may not specify more than 1 handler type')));
  if (handler.exec !== undefined && (handler.exec.command ?? []).length === 0) errors.push(required(`${at}.exec.command`));
  for (const name of ['httpGet', 'tcpSocket'] as const) {
    const port = handler[name]?.port;
    if (port === undefined) continue;
    errors.push(...checked(`${at}.${name}.port`, port, typeof port === 'number' ? checkPortNumber(port) : checkPortName(port)));
  }
  const { scheme, httpHeaders = [] } = handler.httpGet ?? {};
  errors.push(...oneOf(`${at}.httpGet.scheme`, scheme, ['HTTP', 'HTTPS']));
  for (const { name } of httpHeaders) errors.push(...checked(`${at}.httpGet.httpHeaders`, name, checkHeaderName(name)));
  return errors;
}

function checkHeaderName(name: string): string[] {
  if (/^[-A-Za-z0-9]+$/.test(name)) return [];
  return ["a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"];
}

function validateProbe(probe: Probe, at: string, mustSucceedOnce: boolean): FieldError[] {
  const errors = validateHandler(probe, at);
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const) {
    const value = probe[field] ?? 0;
    if (value < 0) errors.push(invalid(`${at}.${field}`, value, 'must be greater than or equal to 0'));
  }
  if (mustSucceedOnce && probe.successThreshold !== 1) errors.push(invalid(`${at}.successThreshold`, probe.successThreshold, 'must be 1'));
  return errors;
}

