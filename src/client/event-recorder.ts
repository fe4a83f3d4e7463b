/**
 * Tells people what happened to an object, as core/v1 Events. The same event again counts up instead of making another.
 * Best effort: an event that cannot be written is dropped, never waited for.
 */
import { formatTime, type Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { inNamespace, resources, type ApiClient } from './api-client.ts';
import type { ApiObject, KubeEvent } from './objects.ts';

export interface EventRecorderOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Such as `default-scheduler`. */
  readonly component: string;
  readonly host?: string;
}

export interface EventFacts {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** A part of the object: `spec.containers{web}`. */
  readonly fieldPath?: string | undefined;
}

/** Events that are remembered so as to count them; past it the oldest is forgotten, and a repeat makes a new one. */
const REMEMBERED_MAX = 1_000;
/** Within a millisecond; so that two who tell of one object at a time do not take the same name. */
const NANOS_JITTER = 500_000;
/** Writes under way; past it events are dropped. */
const WRITES_MAX = 200;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #remembered = new Map<string, { readonly name: string; count: number }>();
  #writes = 0;
  #lastNanos = 0n;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(about: ApiObject, facts: EventFacts): void {
    if (this.#writes >= WRITES_MAX) return;
    this.#writes++;
    void this.#write(about, facts)
      .catch((error: unknown) => {
        this.#options.log.debug({ reason: facts.reason, error: describeError(error) }, 'event: not recorded');
      })
      .finally(() => this.#writes--);
  }

  async #write(about: ApiObject, facts: EventFacts): Promise<void> {
    const { client, clock } = this.#options;
    const id = [about.metadata.uid, facts.fieldPath ?? '', facts.type, facts.reason, facts.message].join('\n');
    const known = this.#remembered.get(id);
    const now = formatTime(clock.wall());
    const ref = inNamespace(resources.events, about.metadata.namespace ?? 'default');
    if (known !== undefined) {
      known.count++;
      const patch = { count: known.count, lastTimestamp: now };
      const isPatched = await client.patch<KubeEvent>(ref, known.name, { type: 'merge', patch }).then(
        () => true,
        () => false,
      );
      if (isPatched) return;
      this.#remembered.delete(id);
    }
    const name = `${about.metadata.name}.${this.#nanos().toString(16)}`;
    this.#remember(id, name);
    await client.create<KubeEvent>(ref, this.#event(name, ref.namespace ?? 'default', now, about, facts));
  }

  /**
   * Names grow with time, as those of Kubernetes' own recorder do: kubectl tells events of one second in the order of a
   * list, which is that of names.
   */
  #nanos(): bigint {
    const { clock, random } = this.#options;
    const now = BigInt(Math.floor(clock.wall())) * 1_000_000n + BigInt(random.below(NANOS_JITTER));
    this.#lastNanos = now > this.#lastNanos ? now : this.#lastNanos + 1n + BigInt(random.below(1_000));
    return this.#lastNanos;
  }

  #event(name: string, namespace: string, now: string, about: ApiObject, { fieldPath, ...facts }: EventFacts): KubeEvent {
    const { component, host } = this.#options;
    const { uid, resourceVersion } = about.metadata;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: {
        apiVersion: about.apiVersion,
        kind: about.kind,
        name: about.metadata.name,
        ...(about.metadata.namespace === undefined ? {} : { namespace: about.metadata.namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        ...(fieldPath === undefined ? {} : { fieldPath }),
      },
      ...facts,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
    };
  }

  #remember(id: string, name: string): void {
    this.#remembered.set(id, { name, count: 1 });
    if (this.#remembered.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }
}
