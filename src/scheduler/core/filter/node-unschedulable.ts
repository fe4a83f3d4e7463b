import { isTolerated } from '../../../client/core/taints.ts';
import { FITS, type Filter } from './filter.ts';

const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** A cordoned node takes only pods that tolerate it. */
export const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  reasons({ pod }, { node }) {
    if (node.spec?.unschedulable !== true || isTolerated(TAINT, pod.spec.tolerations)) return FITS;
    return ['node(s) were unschedulable'];
  },
};
