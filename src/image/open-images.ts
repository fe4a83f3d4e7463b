/**
 * The images of a data directory, for its node agents and its command line alike: `images/` is the store, `registries.yaml`, if
 * a person wrote one, says of mirrors and registries without TLS (core/registries.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Clock } from '../base/clock.ts';
import { describeError, systemErrorCode, UserError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { platformOf, type Platform } from './core/platform.ts';
import { readRegistries, type RegistrySettings } from './core/registries.ts';
import { ImageStore } from './image-store.ts';
import { LocalImages } from './local-images.ts';

export interface OpenImagesOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log?: Log;
  /** Undefined: `registries.yaml` of the data directory, if there is one. */
  readonly registriesFile?: string | undefined;
  /** Undefined: this machine's. */
  readonly platform?: Platform | undefined;
}

export interface OpenedImages {
  readonly images: LocalImages;
  readonly store: ImageStore;
  readonly platform: Platform;
}

export const imagesDir = (dataDir: string) => join(dataDir, 'images');
export const registriesFileOf = (dataDir: string) => join(dataDir, 'registries.yaml');

export async function openImages({
  dataDir,
  clock,
  log,
  registriesFile,
  platform = platformOf(process.arch),
}: OpenImagesOptions): Promise<OpenedImages> {
  const registries = await readRegistriesFile(
    registriesFile ?? registriesFileOf(dataDir),
    registriesFile === undefined,
  );
  const store = await ImageStore.open({ directory: imagesDir(dataDir), clock, ...(log === undefined ? {} : { log }) });
  return { images: new LocalImages({ store, clock, platform, registries }), store, platform };
}

async function readRegistriesFile(path: string, mayBeMissing: boolean): Promise<RegistrySettings[]> {
  let value: unknown;
  try {
    value = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    if (mayBeMissing && systemErrorCode(cause) === 'ENOENT') return [];
    throw new UserError(`${path} cannot be read: ${describeError(cause).split('\n')[0]}`);
  }
  const read = readRegistries(value);
  if (!read.ok) throw new UserError(`${path}: ${read.why}`);
  return read.value;
}
