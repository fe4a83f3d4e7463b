import { isTolerated } from '../../../client/core/taints.ts';
import { FITS, type Filter } from './filter.ts';

/** The first taint that the pod does not tolerate is named; PreferNoSchedule only lowers the score. */
export const taintToleration: Filter = {
  name: 'TaintToleration',
  reasons({ pod }, { node }) {
    const taint = node.spec?.taints?.find(
      (each) => each.effect !== 'PreferNoSchedule' && !isTolerated(each, pod.spec.tolerations),
    );
    return taint === undefined ? FITS : [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`];
  },
};
