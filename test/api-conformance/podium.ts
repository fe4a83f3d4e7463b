/**
 * Podium's API server in this process, on a store that is handed to it, with both faces on real ports and TLS: REST by
 * HTTP/2 and a token, gRPC by a client certificate. Its clock can be told to skip.
 */
import { parseTokenFile } from '../../src/api/access/token-file.ts';
import { RestFace } from '../../src/api/rest/face.ts';
import type { InFlightLimits } from '../../src/api/in-flight.ts';
import { ApiServer } from '../../src/api/server.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { StoreClient } from '../../src/etcd/store-client.ts';
import { connect } from '../../src/grpc/channel.ts';
import { LeanServer } from '../../src/grpc/lean/lean-server.ts';
import { quiet as log } from '../api/fixture.ts';
import { RestClient } from '../api/rest/fixture.ts';
import { authority, type Issued } from '../grpc/authority.ts';
import type { Api } from './api.ts';
import { GrpcApi } from './grpc-api.ts';
import { RestApi } from './rest-api.ts';
import { severable, type SeverableStore } from './severable-store.ts';
import { SkippingClock } from './skipping-clock.ts';
import { placeOf, type Limited, type Limits, type Subject, type Trait, type User } from './subject.ts';

export type FaceName = 'rest' | 'grpc';

/** Whatever serves the API: Podium here, a real kube-apiserver in kube-apiserver.ts. */
export interface Server {
  readonly faces: readonly FaceName[];
  subject(face: FaceName, namespace: string): Subject;
  stop(): Promise<void>;
}

export const TOKENS: Readonly<Record<User, string>> = { admin: 'admin-token', viewer: 'viewer-token' };
export const TOKEN_FILE = `${TOKENS.admin},admin,,"system:masters"\n${TOKENS.viewer},viewer,7,"viewers"\n`;

interface Certificates {
  readonly ca: Uint8Array;
  readonly server: Issued;
  readonly users: Readonly<Record<User, Issued>>;
}

export class PodiumServer implements Server {
  readonly faces = ['rest', 'grpc'] as const;
  readonly #clock: SkippingClock;
  readonly #store: SeverableStore;
  readonly #certificates: Certificates;
  readonly #clients: { close(): void }[] = [];
  #run: Run | undefined;

  private constructor(store: StoreClient, clock: SkippingClock, certificates: Certificates) {
    this.#store = severable(store);
    this.#clock = clock;
    this.#certificates = certificates;
  }

  static async start(store: StoreClient, clock: SkippingClock): Promise<PodiumServer> {
    const { ca, issue } = await authority();
    const users = { admin: await issue('admin', 'system:masters'), viewer: await issue('viewer', 'viewers') };
    const server = new PodiumServer(store, clock, { ca, server: await issue('apiserver'), users });
    server.#run = await server.#begin();
    return server;
  }

  subject(face: FaceName, namespace: string): Subject {
    const rest = this.restAs(TOKENS.admin);
    const traits: readonly Trait[] = [face];
    const self = {
      traits,
      namespace,
      rest,
      api: this.#api(face, 'admin'),
      viewer: this.#api(face, 'viewer'),
      restAs: (token: string | undefined) => this.restAs(token),
      at: (resource: string, name?: string, subresource?: string) => placeOf(namespace, resource, name, subresource),
      skip: (ms: number) => this.#clock.skip(ms),
      compact: () => compact(this.#store.client),
      unheard: <T>(work: () => Promise<T>) => this.#store.severed(work),
      limited: (limits: Limits, work: (limited: Limited) => Promise<void>) => this.#limited(face, limits, work),
      restart: async () => {
        await this.#end();
        this.#run = await this.#begin();
        Object.assign(self, { rest: this.restAs(TOKENS.admin), api: this.#api(face, 'admin'), viewer: this.#api(face, 'viewer') });
      },
    };
    return self;
  }

  async stop(): Promise<void> {
    await this.#end();
  }

  restAs(token: string | undefined): RestClient {
    return this.#kept(new RestClient(this.#running.restPort, this.#certificates.ca, token === undefined ? {} : { token }));
  }

  #api(face: FaceName, user: User): Api {
    if (face === 'rest') return new RestApi(this.restAs(TOKENS[user]));
    return new GrpcApi(this.#kept(this.#channel(this.#running, user)));
  }

  #channel({ grpcPort }: Run, user: User) {
    const { ca, users } = this.#certificates;
    return connect({ addresses: [`127.0.0.1:${grpcPort}`], tls: { ca, ...users[user] } });
  }

  #kept<T extends { close(): void }>(client: T): T {
    this.#clients.push(client);
    return client;
  }

  get #running(): Run {
    if (this.#run === undefined) throw new Error('the server does not run');
    return this.#run;
  }

  async #limited(face: FaceName, { mutating, watches }: Limits, work: (limited: Limited) => Promise<void>): Promise<void> {
    const limits = { ...(mutating === undefined ? {} : { mutatingInFlightMax: mutating }), ...(watches === undefined ? {} : { watchesMax: watches }) };
    const run = await this.#begin(limits);
    const as = (user: User) => new RestClient(run.restPort, this.#certificates.ca, { token: TOKENS[user] });
    const [rest, viewer] = [as('admin'), as('viewer')];
    const channels = (['admin', 'viewer'] as const).map((user) => this.#channel(run, user));
    const apis = face === 'rest' ? [new RestApi(rest), new RestApi(viewer)] : channels.map((channel) => new GrpcApi(channel));
    try {
      await work({ rest, viewer, api: apis[0]!, stranger: apis[1]! });
    } finally {
      for (const client of [rest, viewer, ...channels]) client.close();
      await endOf(run);
    }
  }

  async #begin(inFlightLimits: Partial<InFlightLimits> = {}): Promise<Run> {
    const { ca, server: own } = this.#certificates;
    const connectToNode = () => {
      throw new Error('there are no nodes');
    };
    const clock = this.#clock;
    const access = { tokens: [parseTokenFile(TOKEN_FILE, 'tokens.csv')] };
    const apiServer = new ApiServer({ clock, random: seededRandom('api'), log, storeClient: this.#store.client, connectToNode, access, inFlightLimits });
    apiServer.start();
    await apiServer.ready();
    const face = new RestFace({ apiServer, tls: { ...own, clientCa: ca }, clock, random: seededRandom('rest'), log, programVersion: '0.1.0' });
    const grpc = new LeanServer({ log, services: apiServer.services, tls: { ca, ...own, requireClientCertificate: true } });
    const [grpcPort] = await grpc.listen(['127.0.0.1:0']);
    return { apiServer, face, grpc, restPort: await face.listen('127.0.0.1:0'), grpcPort: grpcPort! };
  }

  async #end(): Promise<void> {
    const run = this.#running;
    this.#run = undefined;
    for (const client of this.#clients.splice(0)) client.close();
    await endOf(run);
  }
}

async function endOf({ apiServer, face, grpc }: Run): Promise<void> {
  await Promise.all([face.stop(), grpc.stop(0)]);
  await apiServer.stop();
}

interface Run {
  readonly apiServer: ApiServer;
  readonly face: RestFace;
  readonly grpc: LeanServer;
  readonly restPort: number;
  readonly grpcPort: number;
}

export async function compact(store: StoreClient): Promise<number> {
  const { header } = await store.range({ key: Buffer.from('\0') });
  await store.compact({ revision: header!.revision });
  return header!.revision;
}
