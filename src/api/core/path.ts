/** Where something is in the REST API, whichever face it is asked through. */
import type { Ref } from '../requests.ts';

export function pathOf({ group, version, resource, namespace, name, subresource }: Ref): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const parts = [root, ...(namespace === '' ? [] : ['namespaces', namespace]), resource, name, subresource];
  return parts.filter((part) => part !== '').join('/');
}
