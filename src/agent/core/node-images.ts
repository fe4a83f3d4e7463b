/** What a node's status tells of its images, as the kubelet reports them: the largest first, so many of them, so many names each. */
import type { ImageStatus } from '../../image/image-service.ts';

export interface NodeImage {
  readonly names: readonly string[];
  readonly sizeBytes: number;
}

const IMAGES_MAX = 50;
const NAMES_MAX = 5;

export function nodeImagesOf(images: readonly ImageStatus[]): readonly NodeImage[] {
  return [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.id < b.id ? -1 : 1))
    .slice(0, IMAGES_MAX)
    .map(({ repoDigests, repoTags, sizeBytes }) => ({ names: [...repoDigests, ...repoTags].slice(0, NAMES_MAX), sizeBytes }));
}
