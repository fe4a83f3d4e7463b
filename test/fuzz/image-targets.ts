/** What parses images: tars, manifests, configs, secrets, challenges, names. */
import { assert } from '../../src/base/assert.ts';
import type { Random } from '../../src/base/random.ts';
import { parseDockerArchive } from '../../src/image/core/archive-index.ts';
import { parseChallenges } from '../../src/image/core/challenge.ts';
import { parseCredentials } from '../../src/image/core/credentials.ts';
import { parseImageConfig } from '../../src/image/core/image-config.ts';
import { layerStep } from '../../src/image/core/layer-entry.ts';
import { MEDIA, parseManifest } from '../../src/image/core/manifest.ts';
import { formatReference, parseReference } from '../../src/image/core/reference.ts';
import { BLOCK_BYTES, TarError } from '../../src/image/core/tar-header.ts';
import { TarReader } from '../../src/image/core/tar-reader.ts';
import { file, folder, hardLink, imageOf, symlink, tarOf } from '../image/images.ts';
import { mutateJson } from './mutate-json.ts';
import { refuses, type FuzzTarget } from './target.ts';

/** A tar comes to the same however it is cut, and no path that it asks for leaves the root by its words. */
const tar: FuzzTarget = {
  name: 'tar',
  async seeds() {
    const long = 'long/'.repeat(40);
    return [
      tarOf([
        folder('d', { mode: 0o700 }),
        file('d/f', 'content', { uid: 3_000_000 }),
        symlink('s', '/d/f'),
        hardLink('h', 'd/f'),
      ]),
      tarOf([file(`${long}f`, 'x'.repeat(700)), symlink('l', long), file('.wh.gone'), file('d/.wh..wh..opq')]),
      tarOf([file('time', '', { mtime: -3.5 }), file('a/../b', 'y')]),
    ];
  },
  repair(bytes, random) {
    const copy = Buffer.from(bytes);
    // Of every block that could be a header, most often: a damaged field behind a checksum that fits.
    for (let at = 0; at + BLOCK_BYTES <= copy.length; at += BLOCK_BYTES)
      if (random.chance(0.8)) sum(copy.subarray(at, at + BLOCK_BYTES));
    return copy;
  },
  run(bytes) {
    const at = bytes.length === 0 ? 0 : (bytes[0]! * 7 + bytes.length * 13) % bytes.length;
    const whole = outcomeOf([bytes]);
    assert(
      whole.text === outcomeOf([bytes.subarray(0, at), bytes.subarray(at)]).text,
      `cut at ${at} it comes to the same`,
    );
    return whole.isRead;
  },
};

function sum(block: Buffer): void {
  if (block.toString('latin1', 257, 262) !== 'ustar') return;
  block.write('        ', 148, 'latin1');
  block.write(
    `${block
      .reduce((total, byte) => total + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
    'latin1',
  );
}

function outcomeOf(pieces: readonly Uint8Array[]): { readonly text: string; readonly isRead: boolean } {
  const seen: string[] = [];
  let left = 0;
  const reader = new TarReader({
    entry(entry) {
      assert(entry.size >= 0 && entry.path !== '', 'an entry has a name and a size');
      left = entry.size;
      const step = layerStep(entry);
      if (step.ok && step.value.kind === 'put')
        assert(
          !step.value.parts.some((part) => part === '..' || part === '.' || part === '' || part.includes('/')),
          'a part is a name',
        );
      if (step.ok && step.value.kind === 'whiteout')
        assert(!/^\.{0,2}$/.test(step.value.name), 'a whiteout is of a name');
      seen.push(JSON.stringify([entry, step.ok]));
    },
    data(piece) {
      left -= piece.length;
      assert(left >= 0, 'no more data than was announced');
    },
    end() {
      assert(left === 0, 'all data that was announced');
    },
  });
  try {
    for (const piece of pieces) reader.push(piece);
    reader.finish();
  } catch (error) {
    refuses(error, TarError);
    return { text: `${seen.join('\n')}\n${String(error)}`, isRead: false };
  }
  return { text: seen.join('\n'), isRead: true };
}

const image = imageOf([[file('x', 'x')]], {
  config: { Cmd: ['a'], Env: ['A=1'], ExposedPorts: { '80/tcp': {} }, Labels: { a: 'b' }, User: '1' },
});
const configText = image.blobs.get(image.id)!.toString();
const indexText = JSON.stringify({
  schemaVersion: 2,
  mediaType: MEDIA.index,
  manifests: [
    {
      mediaType: MEDIA.manifest,
      digest: image.manifestDigest,
      size: 7,
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      annotations: { a: 'b' },
    },
  ],
});

function json(name: string, seeds: readonly string[], parse: (text: string) => { readonly ok: boolean }): FuzzTarget {
  return {
    name,
    async seeds() {
      return seeds.map((text) => Buffer.from(text));
    },
    damage: (seed: Uint8Array, random: Random) => mutateJson(seed, random),
    run: (bytes) => parse(Buffer.from(bytes).toString('utf8')).ok,
  };
}

const challenge: FuzzTarget = {
  name: 'challenge',
  async seeds() {
    return [
      'Bearer realm="https://a/token",service="s",scope="repository:a/b:pull"',
      'Basic realm="x", Negotiate YWI=, Bearer realm=y',
    ].map((text) => Buffer.from(text));
  },
  run(bytes) {
    const challenges = parseChallenges(Buffer.from(bytes).toString('latin1'));
    assert(
      challenges.every(({ scheme }) => scheme === scheme.toLowerCase() && scheme !== ''),
      'a scheme is a word in small letters',
    );
    return challenges.some(({ parameters }) => parameters.has('realm'));
  },
};

const reference: FuzzTarget = {
  name: 'image-reference',
  async seeds() {
    return ['busybox', 'registry.lan:5000/team/app:v1.2', `ghcr.io/o/app@${image.id}`].map((text) => Buffer.from(text));
  },
  run(bytes) {
    const parsed = parseReference(Buffer.from(bytes).toString('utf8'));
    if (!parsed.ok) return false;
    const text = formatReference(parsed.value);
    const again = parseReference(text);
    assert(again.ok && formatReference(again.value) === text, 'a name made whole is read as itself');
    return true;
  },
};

export const IMAGE_TARGETS: readonly FuzzTarget[] = [
  tar,
  json('image-manifest', [image.manifest.toString(), indexText], (text) => parseManifest(text)),
  json('image-config', [configText], parseImageConfig),
  json(
    'pull-secret',
    [
      JSON.stringify({
        auths: { 'https://r.io/v1/': { auth: 'YTpi' }, 's.io': { username: 'a', password: 'b', identitytoken: 'c' } },
      }),
    ],
    (text) => parseCredentials(text, 'dockerconfigjson'),
  ),
  json('docker-archive', [JSON.stringify([{ Config: 'c', RepoTags: ['a:1'], Layers: ['l'] }])], parseDockerArchive),
  challenge,
  reference,
];
