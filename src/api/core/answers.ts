/** What is answered where kinds differ in it. */
import type { ResourceInfo } from '../../kube/resources.ts';

/** A deletion of these answers the object even where nothing of it is left; of others, a Status. As in Kubernetes. */
const ANSWERED: Readonly<Record<string, readonly string[]>> = {
  '': ['pods', 'services', 'serviceaccounts', 'podtemplates', 'persistentvolumes', 'persistentvolumeclaims', 'resourcequotas'],
  'storage.k8s.io': ['csidrivers', 'csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'],
};

export function answersDeleted({ group, resource }: Pick<ResourceInfo, 'group' | 'resource'>): boolean {
  return ANSWERED[group]?.includes(resource) ?? false;
}
