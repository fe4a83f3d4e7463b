/** What amounts may be of: of a container, of a quota, of a range of limits. */
import { type FieldError, invalid } from '../../kube/errors.ts';
import { checkQualifiedName } from '../../kube/names.ts';
import { NANO_PER_UNIT, formatQuantity, parseQuantity } from '../../kube/quantity.ts';
import { checked } from '../core/validate.ts';

const COUNTED = [
  'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'configmaps', 'persistentvolumeclaims',
  'services.nodeports', 'services.loadbalancers',
];
const CONTAINER = ['cpu', 'memory', 'ephemeral-storage'];
const COMPUTE = [...CONTAINER, ...['requests', 'limits'].flatMap((of) => CONTAINER.map((name) => `${of}.${name}`))];
const QUOTA: ReadonlySet<string> = new Set([...COMPUTE, 'requests.storage', ...COUNTED]);
const STANDARD: ReadonlySet<string> = new Set([...QUOTA, 'storage']);
const INTEGERS: ReadonlySet<string> = new Set(COUNTED);

const isHugePages = (name: string) => name.startsWith('hugepages-');
const isPlain = (name: string) => !name.includes('/');
/** Of somebody's domain that is not Kubernetes' own: there is no part of one. */
export const isExtended = (name: string) => !isPlain(name) && !name.includes('kubernetes.io/') && !name.startsWith('requests.');
export const isQuotaResource = (name: string) => QUOTA.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');

export type Place = 'containers' | 'quota' | 'limits';

export function validateResourceName(name: string, path: string, place: Place): FieldError[] {
  const errors = checked(path, name, checkQualifiedName(name));
  if (!isPlain(name)) return errors;
  const isStandard = STANDARD.has(name) || isHugePages(name) || name.startsWith('requests.hugepages-');
  if (errors.length === 0 && !isStandard) errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'));
  if (place === 'containers' && !CONTAINER.includes(name) && !isHugePages(name)) errors.push(invalid(path, name, 'must be a standard resource for containers'));
  if (place === 'quota' && !isQuotaResource(name)) errors.push(invalid(path, name, 'must be a standard resource for quota'));
  return errors;
}

export function validateAmount(name: string, amount: string, path: string): FieldError[] {
  const nano = parseQuantity(amount) ?? 0n;
  const errors = nano < 0n ? [invalid(path, amount, 'must be greater than or equal to 0')] : [];
  const isWhole = nano % NANO_PER_UNIT === 0n;
  if ((INTEGERS.has(name) || isExtended(name)) && !isWhole) errors.push(invalid(path, formatQuantity(nano), 'must be an integer'));
  return errors;
}
