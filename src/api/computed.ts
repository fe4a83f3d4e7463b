/** Kinds of which nothing is stored: what is shown is found out when somebody asks. They are read, and nothing else. */
import { assert } from '../base/assert.ts';
import type { KubeObject } from '../kube/types.ts';
import type { ServedResource } from './core/discovery.ts';
import type { Kind } from './kinds/kind.ts';
import type { Listed, ListQuery, Ref } from './requests.ts';

export interface ComputedKinds {
  readonly served: readonly ServedResource[];
  has(ref: Pick<Ref, 'group' | 'version' | 'resource' | 'subresource'>): boolean;
  /** Of a ref that it has; so the rest. */
  kindOf(ref: Ref): Kind;
  get(ref: Ref): Promise<KubeObject>;
  list(ref: Ref, query?: ListQuery): Promise<Listed>;
}

export function allComputed(parts: readonly ComputedKinds[]): ComputedKinds {
  const partOf = (ref: Ref) => {
    const part = parts.find((one) => one.has(ref));
    assert(part !== undefined, 'only what is computed is asked for');
    return part;
  };
  return {
    served: parts.flatMap(({ served }) => served),
    has: (ref) => parts.some((part) => part.has(ref)),
    kindOf: (ref) => partOf(ref).kindOf(ref),
    get: (ref) => partOf(ref).get(ref),
    list: (ref, query) => partOf(ref).list(ref, query),
  };
}
