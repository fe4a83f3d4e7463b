/**
 * `kubectl get componentstatuses`: whether somebody schedules, whether somebody controls, and whether each member of the
 * store answers. Asked when somebody asks. Who schedules has no door to knock at: that he renews his lease says that he
 * lives, by the wall clocks of his machine and of this one, which is enough for people who look.
 */
import { fromUtf8 } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { StoreClient } from '../etcd/store-client.ts';
import { isReason, notFound } from '../kube/errors.ts';
import { apiVersionOf } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';
import type { ComputedKinds } from './computed.ts';
import type { ServedResource } from './core/discovery.ts';
import { selectionOf } from './core/query.ts';
import { componentStatus } from './kinds/component-status.ts';
import { numberAt, textAt, type Kind } from './kinds/kind.ts';
import type { Registry } from './registry.ts';
import type { Listed, ListQuery, Ref } from './requests.ts';

export interface ComponentStatusesOptions {
  readonly registry: Registry;
  /** One for each member, which asks that one alone. */
  readonly stores: readonly StoreClient[];
  readonly clock: Clock;
}

/** A member that says nothing for so long is not healthy. */
const ASK_MS = 2_000;

/** The leases by which a part leads: our own, or that of Kubernetes' in its place. */
const LEADERS: Readonly<Record<string, readonly string[]>> = {
  'controller-manager': ['podium-controllers', 'kube-controller-manager'],
  scheduler: ['podium-scheduler', 'kube-scheduler'],
};

interface Health {
  readonly isGood: boolean;
  readonly message: string;
}

type Check = () => Promise<Health>;

export class ComponentStatuses implements ComputedKinds {
  readonly #options: ComponentStatusesOptions;
  readonly #checks: ReadonlyMap<string, Check>;

  constructor(options: ComponentStatusesOptions) {
    this.#options = options;
    const leading = Object.entries(LEADERS).map(([name, leases]) => [name, () => this.#leads(leases)] as const);
    const members = options.stores.map((store, index) => [`etcd-${index}`, () => answers(store)] as const);
    this.#checks = new Map<string, Check>([...leading, ...members]);
  }

  get served(): readonly ServedResource[] {
    return [{ info: componentStatus.info, verbs: ['get', 'list'], subresources: [] }];
  }

  has({ group, version, resource, subresource }: Pick<Ref, 'group' | 'version' | 'resource' | 'subresource'>): boolean {
    const { info } = componentStatus;
    return group === info.group && version === info.version && resource === info.resource && subresource === '';
  }

  kindOf(): Kind {
    return componentStatus;
  }

  async get({ name }: Ref): Promise<KubeObject> {
    const check = this.#checks.get(name);
    if (check === undefined) throw notFound({ ...componentStatus.info, resource: componentStatus.info.singular }, name);
    return statusOf(name, await check());
  }

  async list(_ref: Ref, query: ListQuery = {}): Promise<Listed> {
    const selection = selectionOf(componentStatus, query.labelSelector, query.fieldSelector);
    const all = await Promise.all([...this.#checks].map(async ([name, check]) => statusOf(name, await check())));
    return { kind: componentStatus, resourceVersion: '', continue: '', items: all.filter(selection.matches), remainingItemCount: undefined };
  }

  async #leads(leases: readonly string[]): Promise<Health> {
    const { registry, clock } = this.#options;
    let last = '';
    for (const name of leases) {
      const ref = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases', namespace: 'kube-system', name, subresource: '' };
      const lease = await registry.get(ref).catch((error: unknown) => {
        if (isReason(error, 'NotFound')) return undefined;
        throw error;
      });
      if (lease === undefined) continue;
      const renewed = textAt(lease, 'spec', 'renewTime');
      const untilMs = Date.parse(renewed) + numberAt(lease, 'spec', 'leaseDurationSeconds') * 1_000;
      if (textAt(lease, 'spec', 'holderIdentity') !== '' && untilMs >= clock.wall()) return { isGood: true, message: 'ok' };
      last = `: the lease kube-system/${name} was last renewed at ${renewed}`;
    }
    return { isGood: false, message: `nobody leads${last}` };
  }
}

/** A read that a majority has confirmed: the member serves. */
async function answers(store: StoreClient): Promise<Health> {
  try {
    await store.range({ key: fromUtf8('health'), countOnly: true }, { timeoutMs: ASK_MS });
    return { isGood: true, message: 'ok' };
  } catch (error) {
    return { isGood: false, message: describeError(error) };
  }
}

function statusOf(name: string, { isGood, message }: Health): KubeObject {
  const { info } = componentStatus;
  return { kind: info.kind, apiVersion: apiVersionOf(info), metadata: { name }, conditions: [{ type: 'Healthy', status: isGood ? 'True' : 'False', message }] };
}
