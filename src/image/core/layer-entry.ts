/**
 * What an entry of a layer asks for (OCI image-spec, layer.md): something new, a whiteout, or nothing. Paths are judged here by
 * their words alone; links that lie on the way are followed by the unpacker, which knows the tree.
 *
 *   a/b               is put at a/b of the root, in place of what was there
 *   a/.wh.b           a/b of the layers below goes
 *   a/.wh..wh..opq    all of a that the layers below brought goes
 */
import type { Decoded } from './decoded.ts';
import { refused } from './decoded.ts';
import { printable, type TarEntry } from './tar-header.ts';

export type LayerStep =
  | { readonly kind: 'put'; readonly parts: readonly string[]; readonly entry: TarEntry }
  | { readonly kind: 'whiteout'; readonly parent: readonly string[]; readonly name: string }
  | { readonly kind: 'opaque'; readonly parts: readonly string[] }
  /** With what is to be said of it; '' for what concerns nobody. */
  | { readonly kind: 'skip'; readonly warning: string };

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** Names that AUFS kept for itself; old archives have them. */
const AUFS = '.wh..wh.';

export function layerStep(entry: TarEntry): Decoded<LayerStep> {
  const parts = partsBelowRoot(entry.path);
  if (parts === undefined) return refused(`${printable(entry.path)} climbs out of the root`);
  const name = parts.at(-1) ?? '';
  if (name.startsWith(WHITEOUT)) return whiteout(parts.slice(0, -1), name, entry.path);
  if (parts.some((part) => part.startsWith(WHITEOUT))) return { ok: true, value: { kind: 'skip', warning: '' } };
  switch (entry.type) {
    case 'file':
    case 'directory':
    case 'symlink':
    case 'hard-link':
      if (parts.length === 0 && entry.type !== 'directory')
        return refused(`${printable(entry.path)} would take the place of the root`);
      return { ok: true, value: { kind: 'put', parts, entry } };
    case 'char-device':
    case 'block-device':
      // A runtime gives a container its /dev. A device in an image reaches the machine's own, whoever made the image.
      return { ok: true, value: { kind: 'skip', warning: `${printable(entry.path)} is a device, and was left out` } };
    case 'fifo':
      return { ok: true, value: { kind: 'skip', warning: `${printable(entry.path)} is a FIFO, and was left out` } };
    case 'unknown':
      return {
        ok: true,
        value: { kind: 'skip', warning: `${printable(entry.path)} is of an unknown type, and was left out` },
      };
  }
}

function whiteout(parent: readonly string[], name: string, path: string): Decoded<LayerStep> {
  if (name === OPAQUE) return { ok: true, value: { kind: 'opaque', parts: parent } };
  if (name.startsWith(AUFS)) return { ok: true, value: { kind: 'skip', warning: '' } };
  const hidden = name.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..')
    return refused(`${printable(path)} climbs out of its directory`);
  return { ok: true, value: { kind: 'whiteout', parent, name: hidden } };
}

/** A name as it counts in the container: `/` before it means nothing, `.` neither. Undefined: `..` leads above the root. */
export function partsBelowRoot(path: string): string[] | undefined {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts;
}
