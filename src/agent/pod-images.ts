/**
 * The images of one pod's containers. Asked before a container is made, again and again; what it takes to have an image runs
 * beside, and wakes whoever asked. Texts, events and back-off are the kubelet's.
 *
 *   ask ──► busy ──► … ──► ready: once, for one start
 *                     └──► waiting: ErrImagePull, then ImagePullBackOff until it is pulled again
 */
import type { Millis } from '../base/clock.ts';
import { AbortedError, describeError } from '../base/errors.ts';
import type { Tasks } from '../base/tasks.ts';
import { defaultPullPolicy, formatReference, isHostImageName, parseReference } from '../image/core/reference.ts';
import { ImageError, type ImageErrorReason, type ImageStatus, type PullPolicy } from '../image/image-service.ts';
import { goDuration, nextBackoff, type PullBackoff } from './core/pull-backoff.ts';
import type { AgentContainer, AgentPod } from './core/pod-spec.ts';
import type { ImagePuller } from './image-puller.ts';
import { readPullSecrets } from './pull-secrets.ts';
import type { ImageShown } from './runtime/runtime.ts';

/** An image that is here, as far as a container of it is concerned. */
export interface ReadyImage {
  readonly id: string;
  readonly shown: ImageShown;
  /** As the image writes it. */
  readonly user: string;
}

export type ImageAnswer =
  /** Without an image: the runtime keeps none. */
  | { readonly kind: 'ready'; readonly image?: ReadyImage }
  | { readonly kind: 'busy' }
  /** What the container's state says; monotonic, when to ask again. */
  | { readonly kind: 'waiting'; readonly reason: string; readonly message: string; readonly untilMs: Millis };

export interface PodImagesOptions {
  /** Absent: the runtime keeps no images. */
  readonly puller: ImagePuller | undefined;
  readonly pod: () => AgentPod;
  readonly say: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
  readonly wake: () => void;
  readonly tasks: Tasks;
  /** Fires when the worker lets go. */
  readonly signal: AbortSignal;
}

interface Task {
  readonly image: string;
  readonly stop: AbortController;
  answer: ImageAnswer | undefined;
}

/** How long a failure is shown before the back-off is. */
const SHOWN_MS = 2_000;
/** What is not a pull's failure costs little to look at: somebody may have loaded the image, or corrected its name. */
const LOOK_AGAIN_MS = 5_000;

export class PodImages {
  readonly #options: PodImagesOptions;
  /** By container. */
  readonly #tasks = new Map<string, Task>();
  /** By image. */
  readonly #backoffs = new Map<string, PullBackoff>();

  constructor(options: PodImagesOptions) {
    this.#options = options;
  }

  ask(container: AgentContainer): ImageAnswer {
    const { puller } = this.#options;
    if (puller === undefined) return { kind: 'ready' };
    const task = this.#tasks.get(container.name);
    if (task?.image === container.image) {
      if (task.answer === undefined) return { kind: 'busy' };
      this.#tasks.delete(container.name);
      return task.answer;
    }
    task?.stop.abort();
    const backoff = this.#backoffs.get(container.image);
    if (backoff !== undefined && puller.clock.monotonic() < backoff.untilMs) return this.#backOff(container.image, backoff);
    this.#begin(puller, container);
    return { kind: 'busy' };
  }

  isBusy(container: string): boolean {
    const task = this.#tasks.get(container);
    return task !== undefined && task.answer === undefined;
  }

  /** The pod is going: nobody wants its images any more. */
  abandon(): void {
    for (const { stop } of this.#tasks.values()) stop.abort();
    this.#tasks.clear();
  }

  #begin(puller: ImagePuller, container: AgentContainer): void {
    const { tasks, signal, wake } = this.#options;
    const stop = new AbortController();
    const task: Task = { image: container.image, stop, answer: undefined };
    this.#tasks.set(container.name, task);
    const work = this.#ensure(puller, container, AbortSignal.any([stop.signal, signal])).then((answer) => {
      task.answer = answer;
      wake();
    });
    tasks.run(work);
  }

  async #ensure(puller: ImagePuller, { image, imagePullPolicy }: AgentContainer, signal: AbortSignal): Promise<ImageAnswer> {
    const { say } = this.#options;
    const isBuiltIn = isHostImageName(image);
    const policy = isBuiltIn ? 'IfNotPresent' : (imagePullPolicy ?? defaultPolicyOf(image));
    try {
      // What is no name is refused there, before anybody is told of a pull.
      const isAsked = policy === 'Always' && parseReference(image).ok;
      const present = isAsked ? undefined : await findPresent(puller, image, policy);
      if (present === undefined) return await this.#pull(puller, image, policy, signal);
      if (!isBuiltIn) say('Normal', 'Pulled', `Container image ${quoted(image)} already present on machine`);
      return ready(image, present);
    } catch (error) {
      if (signal.aborted) throw new AbortedError(`pulling ${image}`);
      return this.#failed(puller, image, error);
    }
  }

  async #pull(puller: ImagePuller, image: string, policy: PullPolicy, signal: AbortSignal): Promise<ImageAnswer> {
    const { say, pod } = this.#options;
    const { credentials, missing } = await readPullSecrets(puller.api, pod());
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      say('Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    say('Normal', 'Pulling', `Pulling image ${quoted(image)}`);
    const { image: status, durationMs, waitedMs } = await puller.pull({ image, policy, credentials, signal });
    this.#backoffs.delete(image);
    const took = `${goDuration(durationMs)} (${goDuration(waitedMs)} including waiting)`;
    say('Normal', 'Pulled', `Successfully pulled image ${quoted(image)} in ${took}. Image size: ${status.sizeBytes} bytes.`);
    return ready(image, status);
  }

  #failed(puller: ImagePuller, image: string, error: unknown): ImageAnswer {
    const { say } = this.#options;
    const reason: ImageErrorReason = error instanceof ImageError ? error.reason : 'ErrImagePull';
    const now = puller.clock.monotonic();
    // Of an image's error the cause's words are in it already.
    const said = error instanceof ImageError ? error.message : describeError(error);
    const cause = reason === 'RegistryUnavailable' ? `image pull failed for ${image} because the registry is unavailable: ${said}` : said;
    const fail = (event: string, message: string, untilMs: Millis): ImageAnswer => {
      say('Warning', event, message);
      say('Warning', 'Failed', `Error: ${reason}`);
      return { kind: 'waiting', reason, message: event === 'Failed' ? cause : message, untilMs };
    };
    switch (reason) {
      case 'InvalidImageName':
        return fail('InspectFailed', cause, now + LOOK_AGAIN_MS);
      case 'ErrImageNeverPull':
        return fail('ErrImageNeverPull', cause, now + LOOK_AGAIN_MS);
      case 'ImageInspectError':
        return fail('InspectFailed', `Failed to inspect image ${quoted(image)}: ${cause}`, now + LOOK_AGAIN_MS);
      case 'ErrImagePull':
      case 'RegistryUnavailable':
        this.#backoffs.set(image, nextBackoff(this.#backoffs.get(image), `${reason}: ${cause}`, now));
        return fail('Failed', `Failed to pull image ${quoted(image)}: ${said}`, now + SHOWN_MS);
    }
  }

  #backOff(image: string, { untilMs, failure }: PullBackoff): ImageAnswer {
    const { say } = this.#options;
    const message = `Back-off pulling image ${quoted(image)}`;
    say('Normal', 'BackOff', message);
    say('Warning', 'Failed', 'Error: ImagePullBackOff');
    return { kind: 'waiting', reason: 'ImagePullBackOff', message: `${message}: ${failure}`, untilMs };
  }
}

/** Undefined: it is not here, and may be pulled. */
async function findPresent({ images }: ImagePuller, image: string, policy: PullPolicy): Promise<ImageStatus | undefined> {
  try {
    return (await images.ensure({ image, policy: 'Never' })).image;
  } catch (error) {
    if (!(error instanceof ImageError)) throw new ImageError('ImageInspectError', describeError(error), { cause: error });
    if (policy !== 'Never' && error.reason === 'ErrImageNeverPull') return undefined;
    throw error;
  }
}

function ready(image: string, { id, repoTags, repoDigests, config }: ImageStatus): ImageAnswer {
  const parsed = parseReference(image);
  const name = parsed.ok ? formatReference(parsed.value) : (repoTags[0] ?? image);
  const repository = parsed.ok ? `${parsed.value.host}/${parsed.value.path}@` : '';
  const ref = repoDigests.find((one) => one.startsWith(repository)) ?? repoDigests[0] ?? id;
  return { kind: 'ready', image: { id, shown: { name, ref }, user: config.user } };
}

/** As the API server defaults it, for who has not come through it. What is no name is refused by whoever is asked for it. */
function defaultPolicyOf(image: string): PullPolicy {
  const parsed = parseReference(image);
  return parsed.ok ? defaultPullPolicy(parsed.value) : 'IfNotPresent';
}

function quoted(image: string): string {
  return JSON.stringify(image);
}
