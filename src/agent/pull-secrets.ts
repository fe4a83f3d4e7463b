/** Who a pod pulls as: its imagePullSecrets, or its service account's where it names none. Read when they are needed. */
import { inNamespace, resources, type ApiClient } from '../client/api-client.ts';
import { isNotFound } from '../client/api-error.ts';
import type { ApiObject } from '../client/objects.ts';
import { parseCredentials, type Credentials } from '../image/core/credentials.ts';
import { decode } from './core/environment.ts';
import type { AgentPod, Secret } from './core/pod-spec.ts';

export interface PullSecrets {
  readonly credentials: readonly Credentials[];
  /** Names of secrets that are not there: it is tried without them. */
  readonly missing: readonly string[];
}

/** A secret that is there and says nothing that can be read. */
export class PullSecretError extends Error {
  override readonly name = 'PullSecretError';
}

interface ServiceAccount extends ApiObject {
  readonly imagePullSecrets?: readonly { readonly name?: string }[];
}

export async function readPullSecrets(api: ApiClient, pod: AgentPod): Promise<PullSecrets> {
  const { namespace } = pod.metadata;
  const credentials: Credentials[] = [];
  const missing: string[] = [];
  for (const { name = '' } of await secretsOf(api, pod)) {
    const secret = await api.get<Secret>(inNamespace(resources.secrets, namespace), name).catch(absent);
    if (secret === undefined) missing.push(name);
    else credentials.push(...readSecret(secret));
  }
  return { credentials, missing };
}

async function secretsOf(api: ApiClient, { metadata, spec }: AgentPod): Promise<readonly { readonly name?: string }[]> {
  if (spec.imagePullSecrets !== undefined && spec.imagePullSecrets.length > 0) return spec.imagePullSecrets;
  const ref = inNamespace(resources.serviceAccounts, metadata.namespace);
  const account = await api.get<ServiceAccount>(ref, spec.serviceAccountName ?? 'default').catch(absent);
  return account?.imagePullSecrets ?? [];
}

/** What is of another type holds no credentials. */
function readSecret({ metadata, data = {} }: Secret): readonly Credentials[] {
  for (const [key, format] of [['.dockerconfigjson', 'dockerconfigjson'], ['.dockercfg', 'dockercfg']] as const) {
    if (data[key] === undefined) continue;
    const read = parseCredentials(decode(data[key]).toString('utf8'), format);
    if (!read.ok) throw new PullSecretError(`image pull secret ${metadata.name}: ${read.why}`);
    return read.value;
  }
  return [];
}

function absent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}
