/** Which of an index's images this machine runs. */
import { readObject, readString, type Fields } from './decoded.ts';

export interface Platform {
  readonly os: string;
  /** Go's names: amd64, arm64, arm, … */
  readonly architecture: string;
  /** `v8`, `v7`, …; '' where there is none. */
  readonly variant: string;
}

/** Node.js' names of architectures that Go's differ from. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  loong64: 'loong64',
};

export function platformOf(nodeArchitecture: string): Platform {
  const architecture = ARCHITECTURES[nodeArchitecture] ?? nodeArchitecture;
  return { os: 'linux', architecture, variant: usualVariant(architecture) };
}

/** `linux/arm64`, `linux/arm/v7`. Undefined: not so. */
export function parsePlatform(text: string): Platform | undefined {
  const [os = '', architecture = '', variant, rest] = text.split('/');
  if (os === '' || architecture === '' || variant === '' || rest !== undefined) return undefined;
  return { os, architecture, variant: variant ?? usualVariant(architecture) };
}

export function readPlatform(value: unknown, what: string): Platform {
  const fields: Fields = readObject(value, what);
  return {
    os: readString(fields['os'], `${what}.os`),
    architecture: readString(fields['architecture'], `${what}.architecture`),
    variant: readString(fields['variant'], `${what}.variant`),
  };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  const isUsual = variant === '' || (architecture === 'arm64' && variant === 'v8');
  return `${os || 'unknown'}/${architecture || 'unknown'}${isUsual ? '' : `/${variant}`}`;
}

function usualVariant(architecture: string): string {
  if (architecture === 'arm64') return 'v8';
  return architecture === 'arm' ? 'v7' : '';
}

const variantNumber = ({ architecture, variant }: Platform) =>
  Number((variant || usualVariant(architecture) || 'v1').replace(/^v/, ''));

/** Whether an image for `offered` runs on `wanted`: the same, or a variant that came before. */
export function runsOn(offered: Platform, wanted: Platform): boolean {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return false;
  return variantNumber(offered) <= variantNumber(wanted);
}

/** The best that runs on `wanted`: of the highest variant, and of several such the first. */
export function choosePlatform<T extends { readonly platform: Platform | undefined }>(
  offers: readonly T[],
  wanted: Platform,
): T | undefined {
  let best: { readonly offer: T; readonly number: number } | undefined;
  for (const offer of offers) {
    if (offer.platform === undefined || !runsOn(offer.platform, wanted)) continue;
    const number = variantNumber(offer.platform);
    if (best === undefined || number > best.number) best = { offer, number };
  }
  return best?.offer;
}
