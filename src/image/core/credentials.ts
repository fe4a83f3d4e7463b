/** Who pulls: what image pull secrets say (`kubernetes.io/dockerconfigjson` and `.dockercfg`), and for which registries. */
export interface Credentials {
  /** A registry's host, with port and path prefix where given; `*` stands for one label of the host. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
  /** An OAuth2 refresh token in place of the two. */
  readonly identityToken?: string;
  /** A bearer token for the registry itself. */
  readonly registryToken?: string;
}
