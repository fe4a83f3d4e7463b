/** The making of one snapshot's directory, step by step: begun from nothing or from another's, then layer after layer. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { describeError, isNoSpace, systemErrorCode } from '../base/errors.ts';
import { cloneTree } from './clone-tree.ts';
import { digestOfHex, shortDigest } from './core/digest.ts';
import { TarError } from './core/tar-header.ts';
import { TarReader } from './core/tar-reader.ts';
import { openUnpacked, PackingError } from './decompress.ts';
import { LayerUnpacker } from './unpack.ts';

export interface LayerInput {
  /** Of its blob. */
  readonly path: string;
  /** What it must unpack to. */
  readonly diffId: string;
}

export interface Unpacking {
  begin(base: string | undefined): Promise<void>;
  apply(layer: LayerInput): Promise<void>;
  /** After the last layer. Answers the bytes of the files that were unpacked. */
  finish(): Promise<number>;
  close(): Promise<void>;
}

/** A layer that cannot be unpacked, and why. */
export class LayerError extends Error {
  override readonly name = 'LayerError';
}

/** Where a machine's images end and an attack on its disk begins. */
const LAYER_BYTES_MAX = 64 * 1024 ** 3;

export interface UnpackingOptions {
  readonly root: string;
  readonly keepsOwners: boolean;
  readonly clock: Clock;
  readonly onWarning: (message: string) => void;
}

export class DirectUnpacking implements Unpacking {
  readonly #options: UnpackingOptions;
  readonly #unpacker: LayerUnpacker;

  constructor(options: UnpackingOptions) {
    this.#options = options;
    this.#unpacker = new LayerUnpacker(options.root, options);
  }

  async begin(base: string | undefined): Promise<void> {
    if (base === undefined) await mkdir(this.#options.root, { mode: 0o755 });
    else await cloneTree(base, this.#options.root, this.#options);
  }

  async apply({ path, diffId }: LayerInput): Promise<void> {
    const hash = createHash('sha256');
    const reader = new TarReader(this.#unpacker);
    let bytes = 0;
    this.#unpacker.beginLayer();
    try {
      for await (const chunk of await openUnpacked(path)) {
        const piece = chunk as Buffer; // no encoding was asked for
        bytes += piece.length;
        if (bytes > LAYER_BYTES_MAX) throw new TarError(`it unpacks to more than ${LAYER_BYTES_MAX} bytes`);
        hash.update(piece);
        reader.push(piece);
      }
      reader.finish();
    } catch (cause) {
      throw layerError(diffId, cause);
    } finally {
      this.#unpacker.close();
    }
    const digest = digestOfHex(hash.digest('hex'));
    if (digest !== diffId)
      throw new LayerError(`layer ${shortDigest(diffId)} unpacks to ${digest}, not to ${diffId} as the config says`);
  }

  async finish(): Promise<number> {
    this.#unpacker.finish();
    return this.#unpacker.bytes;
  }

  async close(): Promise<void> {
    this.#unpacker.close();
  }
}

/** What is wrong with the layer is told as such; a full disk is what it is. */
function layerError(diffId: string, cause: unknown): unknown {
  const code = systemErrorCode(cause) ?? '';
  const isDamage =
    cause instanceof TarError ||
    cause instanceof PackingError ||
    code.startsWith('Z_') ||
    /^E(?:ISDIR|NAMETOOLONG|INVAL|LOOP|NOTDIR|PERM)$/.test(code);
  if (!isDamage || isNoSpace(cause)) return cause;
  return new LayerError(`layer ${shortDigest(diffId)} cannot be unpacked: ${describeError(cause)}`);
}
