/** `pods/resize`: what containers of a pod that runs may use of cpu and memory, and nothing else of them. */
import type { Container, Pod, PodSpec } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, invalid } from '../../kube/errors.ts';
import { cloneJson, equalJson, typed } from '../../kube/types.ts';
import type { Part } from './kind.ts';
import { validatePodSpec } from './pod-template.ts';
import { qosClass } from './qos.ts';

const LISTS = ['containers', 'initContainers'] as const;
const RESIZABLE: readonly string[] = ['cpu', 'memory'];

export const resize: Part = {
  take: (draft, sent) => {
    const spec = typed<Pod>(draft).spec!;
    for (const list of LISTS) {
      const before = spec[list] ?? [];
      const now = typed<Pod>(sent).spec?.[list] ?? [];
      // Containers that are new are taken as well, to be refused.
      const taken = now.map((container) => sized(before.find(({ name }) => name === container.name), container));
      if (list === 'containers' || taken.length > 0) spec[list] = taken;
      else delete spec[list];
    }
  },
  validate: (object, old) => {
    const spec = typed<Pod>(object).spec!;
    const before = typed<Pod>(old).spec!;
    const moved = LISTS.filter((list) => !equalJson(namesOf(spec[list]), namesOf(before[list])));
    const errors = validatePodSpec(spec, 'spec');
    if (moved.length > 0) return [...errors, ...moved.map((list) => forbiddenField(`spec.${list}`, `${list} may not be added or removed on resize`))];
    if (errors.length === 0 && qosClass(spec) !== qosClass(before)) errors.push(invalid('spec', qosClass(before), 'Pod QOS Class may not change as a result of resizing'));
    errors.push(...LISTS.flatMap((list) => removals(list, spec, before)));
    const isResize = LISTS.every((list) => equalJson(spec[list]?.map(otherwise), before[list]?.map(otherwise)));
    return isResize ? errors : [...errors, forbiddenField('spec', 'only cpu and memory resources are mutable')];
  },
};

/** The container as it was, with what it may use; a change of how it is resized is taken to be refused. */
function sized(before: Container | undefined, now: Container): Container {
  if (before === undefined) return now;
  const { resources, resizePolicy } = now;
  const { resources: _, resizePolicy: __, ...rest } = before;
  return { ...rest, ...(resources === undefined ? {} : { resources }), ...(resizePolicy === undefined ? {} : { resizePolicy }) };
}

const namesOf = (containers: readonly Container[] | undefined) => (containers ?? []).map(({ name }) => name);

/** What was asked for, or limited, stays so: by another amount. */
function removals(list: (typeof LISTS)[number], spec: PodSpec, before: PodSpec): FieldError[] {
  return (before[list] ?? []).flatMap(({ resources: old = {} }, index) =>
    (['limits', 'requests'] as const).flatMap((of) => {
      const now = spec[list]?.[index]?.resources?.[of] ?? {};
      const isRemoved = Object.keys(old[of] ?? {}).some((name) => RESIZABLE.includes(name) && !(name in now));
      return isRemoved ? [forbiddenField(`spec.${list}[${index}].resources.${of}`, `resource ${of} cannot be removed`)] : [];
    }),
  );
}

/** The container but for what may be resized. */
function otherwise(container: Container): object {
  const { resources = {}, ...rest } = cloneJson(container);
  const { limits = {}, requests = {}, ...others } = resources;
  const kept = (amounts: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(amounts).filter(([name]) => !RESIZABLE.includes(name)));
  return { ...rest, resources: { ...others, limits: kept(limits), requests: kept(requests) } };
}
