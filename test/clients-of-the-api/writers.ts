/**
 * Writers that make, change and delete a few ConfigMaps each, through the balancer, and go on whatever happens. What an
 * unanswered write came to, the store's history tells.
 */
import { sleep } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import type { RestClient } from '../api/rest/fixture.ts';
import { bounded, type ApiServers } from './api-servers.ts';

const PATH = '/api/v1/namespaces/default/configmaps';
const OBJECTS_EACH = 3;

export interface Written {
  readonly acknowledged: number;
  /** By the code of the answer; 0: none came. */
  readonly refused: Readonly<Record<number, number>>;
}

export class Writers {
  readonly #api: ApiServers;
  readonly #all: Promise<unknown>;
  readonly #refused: Record<number, number> = {};
  #acknowledged = 0;
  #isStopped = false;

  constructor(api: ApiServers, { count, random }: { readonly count: number; readonly random: Random }) {
    this.#api = api;
    this.#all = Promise.all(Array.from({ length: count }, (_, at) => this.#run(at, random.fork(`writer ${at}`))));
  }

  async stop(): Promise<Written> {
    this.#isStopped = true;
    await this.#all;
    return { acknowledged: this.#acknowledged, refused: this.#refused };
  }

  /** A last write that everybody will see; answers its revision. */
  async mark(): Promise<number> {
    const client = this.#api.client();
    const answer = await bounded(client.request('POST', PATH, { body: configMap('marker', 'last') }), client);
    if (answer.status !== 201) throw new Error(`the last write was refused: ${answer.text}`);
    return Number(answer.body.metadata.resourceVersion);
  }

  async #run(number: number, random: Random): Promise<void> {
    let client: RestClient | undefined;
    for (let turn = 0; !this.#isStopped; turn++) {
      await sleep(systemClock, random.between(20, 150));
      const name = `w${number}-${random.between(0, OBJECTS_EACH - 1)}`;
      client = client === undefined || client.session.destroyed || client.session.closed ? this.#api.client() : client;
      try {
        const { status } = await bounded(this.#write(client, random, name, String(turn)), client);
        // 0: the connection broke before the answer.
        if (status >= 200 && status < 300) this.#acknowledged++;
        else this.#count(status);
      } catch {
        this.#count(0);
        client.close();
        client = undefined;
      }
    }
    client?.close();
  }

  #write(client: RestClient, random: Random, name: string, value: string) {
    const body = configMap(name, value);
    switch (random.between(0, 3)) {
      case 0:
        return client.request('DELETE', `${PATH}/${name}`);
      case 1:
        return client.request('POST', PATH, { body });
      case 2:
        return client.request('PATCH', `${PATH}/${name}?fieldManager=writer&force=true`, { body, type: 'application/apply-patch+yaml' });
      default:
        return client.request('PATCH', `${PATH}/${name}`, { body: { data: { value } }, type: 'application/merge-patch+json' });
    }
  }

  #count(status: number): void {
    this.#refused[status] = (this.#refused[status] ?? 0) + 1;
  }
}

function configMap(name: string, value: string) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { value } };
}
