import { FITS, type Filter } from './filter.ts';

/** A pod that names its node goes there or nowhere. */
export const nodeName: Filter = {
  name: 'NodeName',
  reasons({ pod }, node) {
    const wanted = pod.spec.nodeName ?? '';
    return wanted === '' || wanted === node.name ? FITS : ["node(s) didn't match the requested node name"];
  },
};
