/**
 * What nodes and pods use, as kinds that are shown and never stored: metrics.k8s.io, whose resources are called as those
 * that they measure. The columns are metrics-server's.
 */
import { formatBytes, formatQuantity, parseQuantity, toUnits } from '../../kube/quantity.ts';
import type { ResourceInfo } from '../../kube/resources.ts';
import { isRecord, type KubeObject } from '../../kube/types.ts';
import { column, textAt, type Column, type Kind } from './kind.ts';

const info = (resource: string, kind: string, namespaced: boolean): ResourceInfo => {
  return { group: 'metrics.k8s.io', version: 'v1beta1', resource, kind, singular: '', shortNames: [], namespaced, categories: [] };
};

/** Of a node, or of all containers of a pod. */
function total(object: KubeObject, resource: string): bigint {
  const containers = Array.isArray(object['containers']) ? object['containers'].filter(isRecord) : [object];
  return containers.reduce((sum, container) => sum + (parseQuantity(textAt(container, 'usage', resource)) ?? 0n), 0n);
}

const columns: readonly Column[] = [
  column('cpu', (object) => formatQuantity(total(object, 'cpu'))),
  column('memory', (object) => formatBytes(toUnits(total(object, 'memory')))),
  column('Window', (object) => textAt(object, 'window')),
];

const shared = { subresources: [], hasGeneration: false, checkName: () => [], selectableFields: {}, columns, hasAgeColumn: false };

export const nodeMetrics: Kind = { ...shared, info: info('nodes', 'NodeMetrics', false), model: 'V1beta1NodeMetrics' };
export const podMetrics: Kind = { ...shared, info: info('pods', 'PodMetrics', true), model: 'V1beta1PodMetrics' };
