/** `podium.dev/host`: known by name, with no layers and in no registry. The runtime makes its root of the machine's programs. */
import { EMPTY_RUN_CONFIG, type ImageRunConfig } from './core/image-config.ts';
import { HOST_IMAGE } from './core/reference.ts';
import type { ImageStatus, MountableImage } from './image-service.ts';

export const HOST_RUN_CONFIG: ImageRunConfig = {
  ...EMPTY_RUN_CONFIG,
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
};

export function hostImageStatus(architecture: string): ImageStatus {
  return {
    id: HOST_IMAGE,
    repoTags: [`${HOST_IMAGE}:latest`],
    repoDigests: [],
    sizeBytes: 0,
    config: HOST_RUN_CONFIG,
    architecture,
    created: '',
    lastUsedMs: 0,
    consumers: [],
    isPinned: true,
  };
}

export const MOUNTABLE_HOST_IMAGE: MountableImage = {
  id: HOST_IMAGE,
  lowerDirs: [],
  hasHostPrograms: true,
  config: HOST_RUN_CONFIG,
  isOwnerless: false,
};
