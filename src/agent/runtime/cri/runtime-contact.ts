/** What the container runtime says of itself: who it is, whether it can run pods, and why it does not answer. */
import { describeError } from '../../../base/errors.ts';
import type { Log } from '../../../base/log.ts';
import { CgroupDriver, RuntimeService, type RuntimeCondition } from '../../../proto/cri.ts';
import { RuntimeError, type RuntimeHealth } from '../runtime.ts';
import { isUnimplemented, type CriClient } from './client.ts';
import { isSystemdByConfig } from './core/pod-config.ts';

const calls = RuntimeService.methods;

export interface RuntimeContactOptions {
  readonly client: CriClient;
  readonly endpoint: string;
  readonly log: Log;
}

export class RuntimeContact {
  readonly #options: RuntimeContactOptions;
  #version: { readonly name: string; readonly version: string } | undefined;
  #isSystemd = false;
  #conditions: readonly RuntimeCondition[] = [];
  /** Why it does not answer. */
  #silence: string | undefined = 'it has not been asked yet';

  constructor(options: RuntimeContactOptions) {
    this.#options = options;
  }

  /** `containerd`, `cri-o`: known once it has answered. */
  get name(): string {
    return this.#version?.name ?? 'cri';
  }

  get version(): string {
    return this.#version?.version ?? 'unknown';
  }

  /** Its cgroups are made by systemd. */
  get isSystemd(): boolean {
    return this.#isSystemd;
  }

  get isSilent(): boolean {
    return this.#silence !== undefined;
  }

  /** In the kubelet's words. */
  get health(): RuntimeHealth {
    if (this.#silence !== undefined) return { isReady: false, message: `container runtime is down: ${this.#silence}` };
    const missing = this.#conditions.filter(({ status }) => !status);
    if (missing.length === 0) return { isReady: true, message: '' };
    const described = missing.map(({ type, reason, message }) => {
      return `container runtime ${type === 'NetworkReady' ? 'network' : 'status'} not ready: ${type}=false reason:${reason} message:${message}`;
    });
    return { isReady: false, message: described.join(', ') };
  }

  /** It may be another version that has come back. */
  async meet(): Promise<void> {
    const { client } = this.#options;
    const { runtimeName, runtimeVersion } = await client.call(calls.version, { version: 'v1' });
    this.#version = { name: runtimeName, version: runtimeVersion };
    this.#isSystemd = await this.#usesSystemd();
    await this.askStatus();
  }

  async askStatus(): Promise<void> {
    const { status } = await this.#options.client.call(calls.status, {});
    this.#conditions = status?.conditions ?? [];
  }

  async requireNetwork(): Promise<void> {
    const network = () => this.#conditions.find(({ type }) => type === 'NetworkReady');
    if (network()?.status !== false) return;
    await this.askStatus();
    const { status = true, reason = '', message = '' } = network() ?? {};
    if (!status) throw new RuntimeError('network-not-ready', `network is not ready: container runtime network not ready: NetworkReady=false reason:${reason} message:${message}`);
  }

  heard(): void {
    const { log, endpoint } = this.#options;
    if (this.#silence !== undefined) log.info({ endpoint, runtime: this.name, version: this.version }, 'cri: the container runtime answers');
    this.#silence = undefined;
  }

  notHeard(error: unknown): void {
    const { log, endpoint } = this.#options;
    if (this.#silence === undefined) log.warn({ endpoint, error: describeError(error) }, 'cri: the container runtime does not answer');
    this.#silence = describeError(error);
  }

  async #usesSystemd(): Promise<boolean> {
    const { client } = this.#options;
    try {
      const { linux } = await client.call(calls.runtimeConfig, {});
      return linux?.cgroupDriver === CgroupDriver.SYSTEMD;
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      const { info } = await client.call(calls.status, { verbose: true });
      return isSystemdByConfig(info.get('config'));
    }
  }
}
