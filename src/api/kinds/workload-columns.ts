/** What the tables of everything that makes pods from a template have in common. */
import type { PodSpec } from 'kubernetes-types/core/v1.js';
import { formatSelector, type LabelSelector } from '../../kube/selector.ts';
import type { KubeObject } from '../../kube/types.ts';
import { wide, type Column } from './kind.ts';

interface Templated {
  readonly selector?: LabelSelector;
  readonly template?: { readonly spec?: PodSpec };
}

type SpecOf = (object: KubeObject) => Templated | undefined;

const ownSpec: SpecOf = (object) => object['spec'] as Templated | undefined; // of a kind with a template

export function imageColumns(specOf: SpecOf = ownSpec): readonly Column[] {
  const containers = (object: KubeObject) => specOf(object)?.template?.spec?.containers ?? [];
  return [
    wide('Containers', (object) => containers(object).map(({ name }) => name).join(',')),
    wide('Images', (object) => containers(object).map(({ image }) => image).join(',')),
  ];
}

export function templateColumns(specOf: SpecOf = ownSpec): readonly Column[] {
  return [...imageColumns(specOf), wide('Selector', (object) => formatSelector(specOf(object)?.selector))];
}
