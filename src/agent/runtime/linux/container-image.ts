/**
 * What a container's image makes of it: decided once, when it is made, and kept beside it (`image.json`), so that an agent that
 * comes later starts and enters it the same way, whatever has become of the image's name.
 */
import { join } from 'node:path';
import { EMPTY_RUN_CONFIG } from '../../../image/core/image-config.ts';
import { MOUNTABLE_HOST_IMAGE } from '../../../image/host-image.ts';
import type { ImageRoot, MountableImage } from '../../../image/image-service.ts';
import { RuntimeError, type ContainerConfig, type Mount } from '../runtime.ts';
import { readJson, writeJson } from '../state-files.ts';
import { planRun, type ContainerRun } from './core/container-run.ts';
import { HOST_GROUP, HOST_PASSWD } from './core/root-layout.ts';
import { makeImageVolumes, readAccounts, resolveInImage } from './image-files.ts';

export interface ContainerImage {
  readonly root: ImageRoot & { readonly id: string; readonly hasAccounts: boolean };
  readonly run: ContainerRun;
  /** Those that the image wants. */
  readonly volumes: readonly Mount[];
}

export interface ContainerImageInput {
  readonly config: ContainerConfig;
  readonly image: MountableImage;
  readonly hostname: string;
  /** Of the container. */
  readonly directory: string;
}

const fileOf = (directory: string) => join(directory, 'image.json');

/** Refuses what the image does not allow. The directory is there. */
export async function makeContainerImage(input: ContainerImageInput): Promise<ContainerImage> {
  const { image, directory } = input;
  const { run, root } = planned(input);
  const made: ContainerImage = { root, run, volumes: await makeImageVolumes(directory, run.volumes, image.lowerDirs) };
  await writeJson(fileOf(directory), made);
  return made;
}

/** Without such a file it was made before there were images. */
export function readContainerImage(directory: string, config: ContainerConfig, hostname: string): ContainerImage {
  const stored = readJson<ContainerImage>(fileOf(directory));
  if (stored !== undefined) return stored;
  const image = { ...MOUNTABLE_HOST_IMAGE, config: { ...EMPTY_RUN_CONFIG, cmd: ['/bin/sh'] } };
  return { ...planned({ config, image, hostname, directory }), volumes: [] };
}

function planned({ config, image, hostname }: ContainerImageInput): Pick<ContainerImage, 'root' | 'run'> {
  const { id, lowerDirs, hasHostPrograms } = image;
  const accounts = readAccounts(lowerDirs);
  const hasAccounts = accounts.passwd !== undefined || accounts.group !== undefined;
  const known = hasHostPrograms && !hasAccounts ? { passwd: HOST_PASSWD, group: HOST_GROUP } : { passwd: '', group: '', ...accounts };
  const run = planRun({ config, image: image.config, accounts: known, hostname });
  if (!run.ok) throw new RuntimeError('cannot-start', `container ${config.name}: ${run.message}`);
  return { root: { id, lowerDirs, hasHostPrograms, hasAccounts }, run: run.value };
}

/** The pod's mounts and the image's, outer ones first, each where the links of the image lead: that is what the container sees. */
export function mountsOf({ root, volumes }: ContainerImage, mounts: readonly Mount[]): readonly Mount[] {
  const placed = [...volumes, ...mounts].map((mount) => ({ ...mount, containerPath: placeIn(root, mount.containerPath) }));
  return placed.sort((a, b) => a.containerPath.length - b.containerPath.length);
}

export function placeIn({ lowerDirs }: ImageRoot, path: string): string {
  return `/${resolveInImage(lowerDirs, path)}`;
}
