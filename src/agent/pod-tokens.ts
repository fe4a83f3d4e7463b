/** The service account's tokens that one pod's volumes show. They are bound to the pod, and worth nothing after it. */
import type { Clock, Millis } from '../base/clock.ts';
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import type { ApiObject } from '../client/objects.ts';
import { ApiError, type Reason } from '../kube/errors.ts';
import type { Resolved } from './core/environment.ts';
import type { AgentPod } from './core/pod-spec.ts';
import { refreshesAt } from './core/token-life.ts';
import type { TokenWish } from './core/volume-files.ts';

export interface PodTokensOptions {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly pod: AgentPod;
  readonly wishes: readonly TokenWish[];
}

interface TokenRequest extends ApiObject {
  readonly spec: {
    readonly audiences: readonly string[];
    readonly expirationSeconds: number;
    readonly boundObjectRef: { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string };
  };
  readonly status?: { readonly token: string; readonly expirationTimestamp: string };
}

interface Issued {
  readonly token: string;
  /** Monotonic: a wall clock that jumps ages no token. */
  readonly refreshAtMs: Millis;
  /** By the wall clock: a machine that slept has aged it. */
  readonly expiresAtMs: Millis;
}

/** By a clock that is not this one's, it may already be over. */
const EXPIRY_MARGIN_MS: Millis = 60_000;
const REFUSALS: ReadonlySet<Reason> = new Set<Reason>(['NotFound', 'Forbidden', 'Unauthorized', 'BadRequest', 'Invalid', 'Conflict']);

export class PodTokens {
  readonly #options: PodTokensOptions;
  readonly #issued = new Map<string, Issued>();
  readonly #refused = new Map<string, string>();

  constructor(options: PodTokensOptions) {
    this.#options = options;
  }

  /** A volume shows one. */
  get isNeeded(): boolean {
    return this.#options.wishes.length > 0;
  }

  get isDue(): boolean {
    return this.#options.wishes.some(({ key }) => this.#isDue(key));
  }

  get(key: string): Resolved<string> {
    const issued = this.#issued.get(key);
    if (issued !== undefined) return { ok: true, value: issued.token };
    return { ok: false, message: this.#refused.get(key) ?? 'it was not asked for yet' };
  }

  #isDue(key: string): boolean {
    const { clock } = this.#options;
    const issued = this.#issued.get(key);
    return issued === undefined || clock.monotonic() >= issued.refreshAtMs || clock.wall() >= issued.expiresAtMs - EXPIRY_MARGIN_MS;
  }

  /** Asks for those that are not there, or old. Rejects where the API server does not answer; what it refuses is kept. */
  async renew(): Promise<void> {
    for (const wish of this.#options.wishes) if (this.#isDue(wish.key)) await this.#ask(wish);
  }

  async #ask({ key, audience, expirationSeconds }: TokenWish): Promise<void> {
    const { api, clock, pod } = this.#options;
    const { namespace, name, uid = '' } = pod.metadata;
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
    const spec = { audiences: audience === undefined ? [] : [audience], expirationSeconds, boundObjectRef };
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec };
    const issuedAtMs = clock.monotonic();
    try {
      const account = { name: pod.spec.serviceAccountName ?? 'default', subresource: 'token' };
      const { status } = await api.create<TokenRequest>(inNamespace(resources.serviceAccounts, namespace), request, account);
      const expiresAtMs = Date.parse(status?.expirationTimestamp ?? '');
      const life = { issuedAtMs, expiresAtMs: issuedAtMs + Math.max(0, expiresAtMs - clock.wall()) };
      this.#issued.set(key, { token: status?.token ?? '', refreshAtMs: refreshesAt(life), expiresAtMs });
    } catch (error) {
      // The API server has looked at it, and will say the same until something changes.
      if (!(error instanceof ApiError) || !REFUSALS.has(error.reason)) throw error;
      this.#refused.set(key, error.message);
    }
  }
}
