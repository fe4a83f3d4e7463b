import { assert } from '../../base/assert.ts';
import { RESOURCES, type ResourceInfo } from '../../kube/resources.ts';

/** The row of the common table; kinds that are built in stand there. */
export function infoOf(resource: string): ResourceInfo {
  const info = RESOURCES.find((row) => row.resource === resource);
  assert(info !== undefined, `the table of resources has ${resource}`);
  return info;
}
