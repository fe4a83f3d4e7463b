/** Looks over all pods every so often and removes those that `plan.ts` names. */
import { sleep, type Millis } from '../../base/clock.ts';
import { describeError } from '../../base/errors.ts';
import { inNamespace, resources } from '../../client/api-client.ts';
import { isNotFound } from '../../client/api-error.ts';
import type { Node, Pod } from '../../client/objects.ts';
import type { ControllerContext } from '../context.ts';
import { NODE_MISSING_MS, planPodCleanUp } from './plan.ts';

/** As Kubernetes' podgc. A pod whose node is gone waits for at most twice this. */
const PERIOD_MS = 5_000;

export class PodCleanUp {
  readonly #context: ControllerContext;
  /** Since when a node that pods name has been missing. */
  readonly #missingSince = new Map<string, Millis>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    while (!signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        log.debug({ error: describeError(error) }, 'pod clean-up: round failed');
      }
      await sleep(clock, PERIOD_MS, signal).catch(() => undefined);
    }
  }

  async #round(): Promise<void> {
    const { informers, clock, config, log } = this.#context;
    const nowMs = clock.monotonic();
    const pods = informers.pods.cache.list();
    await this.#lookForNodes(pods, nowMs);
    const { actions } = planPodCleanUp({
      pods,
      missingForMs: (name) => {
        const since = this.#missingSince.get(name);
        return since === undefined ? undefined : nowMs - since;
      },
      terminatedPodsMax: config.terminatedPodsMax,
    });
    for (const { pod, why } of actions) {
      const { name, namespace = '', uid = '' } = pod.metadata;
      log.info({ namespace, name, why }, 'pod clean-up: removing a pod');
      await this.#remove(namespace, name, uid);
    }
  }

  async #lookForNodes(pods: readonly Pod[], nowMs: Millis): Promise<void> {
    const named = new Set(pods.map(({ spec }) => spec.nodeName ?? '').filter((name) => name !== ''));
    for (const name of this.#missingSince.keys()) if (!named.has(name)) this.#missingSince.delete(name);
    for (const name of [...named].sort()) {
      const since = this.#missingSince.get(name);
      if (this.#context.informers.nodes.cache.get(name) !== undefined) this.#missingSince.delete(name);
      else if (since === undefined) this.#missingSince.set(name, nowMs);
      // Before anything is removed the server is asked: our cache may be behind.
      else if (nowMs - since >= NODE_MISSING_MS && (await this.#isThere(name))) this.#missingSince.delete(name);
    }
  }

  async #isThere(nodeName: string): Promise<boolean> {
    try {
      await this.#context.client.get<Node>(resources.nodes, nodeName);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #remove(namespace: string, name: string, uid: string): Promise<void> {
    try {
      await this.#context.client.delete<Pod>(inNamespace(resources.pods, namespace), name, {
        preconditions: { uid },
        gracePeriodSeconds: 0,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
