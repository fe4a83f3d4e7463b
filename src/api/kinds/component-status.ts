/** How the parts of a control plane are: a kind that is shown and never stored, and that Kubernetes calls deprecated. */
import { isRecord, type KubeObject } from '../../kube/types.ts';
import { column, textAt, type Kind } from './kind.ts';

const WORDS: Readonly<Record<string, string>> = { True: 'Healthy', False: 'Unhealthy' };

const conditionOf = (object: KubeObject): unknown =>
  (Array.isArray(object['conditions']) ? object['conditions'] : []).find((condition) => isRecord(condition) && condition['type'] === 'Healthy');

export const componentStatus: Kind = {
  info: { group: '', version: 'v1', resource: 'componentstatuses', kind: 'ComponentStatus', singular: 'componentstatus', shortNames: ['cs'], namespaced: false, categories: [] },
  model: 'V1ComponentStatus',
  subresources: [],
  hasGeneration: false,
  checkName: () => [],
  selectableFields: {},
  columns: [
    column('Status', (object) => WORDS[textAt(conditionOf(object), 'status')] ?? 'Unknown'),
    column('Message', (object) => textAt(conditionOf(object), 'message')),
    column('Error', (object) => textAt(conditionOf(object), 'error')),
  ],
  hasAgeColumn: false,
};
