/**
 * The volume by which the programs of a pod reach the API server: a token of the pod's service account, the certificate of
 * the cluster's authority, and the namespace. As the admission plugin ServiceAccount adds it to a new pod. Pure.
 */
import type { Container, PodSpec, ServiceAccount, Volume } from 'kubernetes-types/core/v1.js';

/** Where client libraries look for it. */
const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The ConfigMap of every namespace; a controller writes it. */
const ROOT_CA = 'kube-root-ca.crt';
/** An hour and a little: nobody asks for this number by himself, so that tokens of this volume can be told from others. */
const EXPIRATION_SECONDS = 3_607;
/** A pod that stands for one of a node's own files. Its node cannot ask for tokens in its name. */
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
const MODE = 0o644;

export interface TokenVolumeInput {
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** undefined: it is not there yet, as the default one of a new namespace. */
  readonly account: Pick<ServiceAccount, 'automountServiceAccountToken' | 'imagePullSecrets'> | undefined;
  /** Makes the volume's name one of its own. */
  readonly suffix: () => string;
}

/** Changes the spec of a new pod in place. */
export function addTokenVolume(spec: PodSpec, { annotations, account, suffix }: TokenVolumeInput): void {
  if (annotations?.[MIRROR_ANNOTATION] !== undefined) return;
  if ((spec.imagePullSecrets ?? []).length === 0 && (account?.imagePullSecrets ?? []).length > 0) spec.imagePullSecrets = account!.imagePullSecrets!;
  if (!(spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true)) return;
  const containers = [...spec.containers, ...(spec.initContainers ?? [])].filter((container) => !hasOwn(container));
  if (containers.length === 0) return;
  const name = freeName(spec.volumes ?? [], suffix);
  for (const container of containers) {
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath: TOKEN_PATH }];
  }
  spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
}

/** Something else is mounted in its place. */
function hasOwn({ volumeMounts = [] }: Container): boolean {
  return volumeMounts.some(({ mountPath }) => mountPath === TOKEN_PATH);
}

function freeName(volumes: readonly Volume[], suffix: () => string): string {
  for (;;) {
    const name = `kube-api-access-${suffix()}`;
    if (!volumes.some((volume) => volume.name === name)) return name;
  }
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: EXPIRATION_SECONDS, path: 'token' } },
        { configMap: { name: ROOT_CA, items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
      defaultMode: MODE,
    },
  };
}
