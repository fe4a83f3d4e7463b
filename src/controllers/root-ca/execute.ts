/**
 * Every namespace has a ConfigMap `kube-root-ca.crt` with the certificate by which its pods know the API server. Too small
 * for a plan of its own.
 */
import { inNamespace, resources } from '../../client/api-client.ts';
import { isAlreadyExists } from '../../client/api-error.ts';
import { Controller, DONE, type Outcome } from '../../client/controller.ts';
import type { ApiObject } from '../../client/objects.ts';
import type { OwnWrites } from '../../client/own-writes.ts';
import type { ControllerContext } from '../context.ts';

interface RootCa extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

const NAME = 'kube-root-ca.crt';
const KEY = 'ca.crt';
const DESCRIPTION = 'The certificate authority of the API server, for the programs of pods. Nothing else is promised to be signed by it.';

/** `certificate`: PEM. */
export function rootCaController(context: ControllerContext, certificate: string): Controller {
  const { client, clock, log, informers } = context;
  const { namespaces, configMaps } = informers;
  const controller = new Controller({
    name: 'root-ca',
    client,
    clock,
    log,
    informers: [namespaces, configMaps],
    reconcile: (key, writes) => reconcile(context, key, { certificate, writes }),
  });
  namespaces.listen({ changed: ({ key }) => controller.enqueue(key) });
  configMaps.listen({
    changed: ({ before, after }) => {
      const { name, namespace = '' } = (after ?? before)?.metadata ?? { name: '' };
      if (name === NAME) controller.enqueue(namespace);
    },
  });
  return controller;
}

interface Wanted {
  readonly certificate: string;
  readonly writes: OwnWrites;
}

async function reconcile({ informers }: ControllerContext, name: string, { certificate, writes }: Wanted): Promise<Outcome> {
  const namespace = informers.namespaces.cache.get(name);
  if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return DONE;
  const found: RootCa | undefined = informers.configMaps.cache.get(`${name}/${NAME}`);
  const data = { [KEY]: certificate };
  if (found?.data?.[KEY] === certificate && Object.keys(found.data).length === 1) return DONE;
  const ref = inNamespace(resources.configMaps, name);
  if (found !== undefined) {
    await writes.update<RootCa>(ref, { ...found, data });
    return DONE;
  }
  const annotations = { 'kubernetes.io/description': DESCRIPTION };
  try {
    await writes.create<RootCa>(ref, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: NAME, namespace: name, annotations }, data });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  return DONE;
}
