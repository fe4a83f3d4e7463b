/** What an archive of images says of itself: `manifest.json` of a docker archive, names in the index of an OCI layout. */
import { decoded, parseJson, readList, readObject, readString, readStrings, refuse, type Decoded } from './decoded.ts';
import type { Descriptor } from './manifest.ts';

export interface DockerArchiveImage {
  /** Names of files in the archive. */
  readonly config: string;
  readonly layers: readonly string[];
  readonly repoTags: readonly string[];
}

export function parseDockerArchive(text: string): Decoded<DockerArchiveImage[]> {
  return decoded(() =>
    readList(parseJson(text), 'manifest.json').map((item, at) => {
      const fields = readObject(item, `manifest.json[${at}]`);
      const config = readString(fields['Config'], `manifest.json[${at}].Config`);
      if (config === '') refuse(`manifest.json[${at}].Config is absent`);
      return {
        config,
        layers: readStrings(fields['Layers'], `manifest.json[${at}].Layers`),
        repoTags: readStrings(fields['RepoTags'], `manifest.json[${at}].RepoTags`),
      };
    }),
  );
}

export interface LayoutEntry {
  /** Undefined: the index has no name for it, or a tag alone. */
  readonly name: string | undefined;
  /** The manifests of that name: one, or one a platform. */
  readonly descriptors: readonly Descriptor[];
}

/** containerd's annotation has the whole name; the specification's may be a tag alone, as skopeo writes it. */
const FULL_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';

export function layoutEntries(manifests: readonly Descriptor[]): LayoutEntry[] {
  const byName = new Map<string, Descriptor[]>();
  for (const descriptor of manifests) {
    const name = descriptor.annotations[FULL_NAME] ?? descriptor.annotations[REF_NAME] ?? '';
    byName.set(name, [...(byName.get(name) ?? []), descriptor]);
  }
  return [...byName].map(([name, descriptors]) => ({ name: /[/:]/.test(name) ? name : undefined, descriptors }));
}
