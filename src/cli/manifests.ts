/** Manifests: YAML or JSON from files, directories or standard input, with the place of every complaint. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode, UserError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { apiVersionOf, findKind, RESOURCES, type ResourceInfo } from '../kube/resources.ts';
import { readYaml, type YamlProblem } from '../kube/yaml.ts';
import type { View } from './core/view.ts';

export interface Manifest {
  readonly info: ResourceInfo;
  readonly object: View;
  /** `file:line` of where it begins. */
  readonly place: string;
}

/** The API server refuses an object past about 1.5 MB; a file of many may be larger, but not without end. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;
const EXTENSIONS = /\.(ya?ml|json)$/;

export interface ReadOptions {
  readonly recursive: boolean;
  readonly readStdin: () => Promise<string>;
}

/** Every object of `paths`, in order; `-` is standard input, of a directory its manifests by name. */
export async function readManifests(paths: readonly string[], options: ReadOptions): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for (const path of paths) {
    if (path === '-') manifests.push(...parseManifests(await options.readStdin(), 'STDIN'));
    else for (const file of filesOf(path, options.recursive)) manifests.push(...parseManifests(readFile(file), file));
  }
  if (manifests.length === 0) throw new UserError('error: no objects passed');
  return manifests;
}

function filesOf(path: string, recursive: boolean): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const inner = join(path, entry.name);
        if (entry.isDirectory()) return recursive ? filesOf(inner, true) : [];
        return EXTENSIONS.test(entry.name) ? [inner] : [];
      });
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') throw new UserError(`error: the path ${JSON.stringify(path)} does not exist`);
    throw new UserError(`error: the path ${JSON.stringify(path)} cannot be read`, { cause: error });
  }
}

function readFile(path: string): string {
  if (statSync(path).size > FILE_BYTES_MAX) throw new UserError(`error: ${path} is larger than ${FILE_BYTES_MAX / 2 ** 20} MiB`);
  return readFileSync(path, 'utf8');
}

export function parseManifests(text: string, file: string): Manifest[] {
  return readYaml(text).flatMap((document): Manifest[] => {
    const complain = ({ line, column, message }: YamlProblem) => `error: ${file}:${line}:${column}: ${message}`;
    const repeated = document.repeated.map((place) => ({ ...place, message: `Map keys must be unique: ${place.key}` }));
    const problems = [...document.problems, ...repeated].map(complain);
    if (problems.length > 0) throw new UserError(problems.join('\n'));
    return document.value === null ? [] : objectsOf(document.value, `${file}:${document.line}:${document.column}`);
  });
}

function objectsOf(value: unknown, place: string): Manifest[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`error: ${place}: an object must be a mapping with apiVersion, kind and metadata`);
  }
  const { apiVersion, kind, items } = value as { apiVersion?: unknown; kind?: unknown; items?: unknown };
  if (typeof apiVersion !== 'string' || apiVersion === '') throw new UserError(`error: ${place}: Object 'apiVersion' is missing`);
  if (typeof kind !== 'string' || kind === '') throw new UserError(`error: ${place}: Object 'Kind' is missing`);
  if (kind === 'List' && Array.isArray(items)) return items.flatMap((item) => objectsOf(item, place));
  const info = findKind(apiVersion, kind);
  if (info === undefined) throw new UserError(unknownKind(apiVersion, kind, place));
  const metadata = (value as { metadata?: unknown }).metadata;
  const isNamed = typeof metadata === 'object' && metadata !== null && ('name' in metadata || 'generateName' in metadata);
  if (!isNamed) throw new UserError(`error: ${place}: ${kind}: resource name may not be empty: metadata.name is missing`);
  for (const field of ['name', 'generateName', 'namespace'] as const) {
    const text = (metadata as Readonly<Record<string, unknown>>)[field];
    if (text !== undefined && typeof text !== 'string') {
      const meant = typeof text === 'object' ? '' : `: quote it: ${field}: ${JSON.stringify(String(text))}`;
      throw new UserError(`error: ${place}: ${kind}: metadata.${field} must be a string, not ${JSON.stringify(text)}${meant}`);
    }
  }
  // Its kind, version and name were just seen; the server validates the rest.
  return [{ info, object: value as View, place }];
}

function unknownKind(apiVersion: string, kind: string, place: string): string {
  const versions = RESOURCES.filter((info) => info.kind === kind).map(apiVersionOf);
  const meant = nearest(kind, RESOURCES.map((info) => info.kind));
  const hint =
    versions.length > 0
      ? `: its version is ${versions.join(' or ')}`
      : meant === undefined
        ? ''
        : `: did you mean ${meant}?`;
  return `error: ${place}: no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}${hint}`;
}

/** Where an object goes: its own namespace, else the command's; the two must not disagree. */
export function namespaceOf({ info, object, place }: Manifest, asked: string | undefined): string | undefined {
  if (!info.namespaced) return undefined;
  const own = object.metadata.namespace;
  if (own !== undefined && asked !== undefined && own !== asked) {
    throw new UserError(
      `error: ${place}: the namespace from the provided object ${JSON.stringify(own)} does not match the namespace ` +
        `${JSON.stringify(asked)}. You must pass '--namespace=${own}' to perform this operation.`,
    );
  }
  return own ?? asked ?? 'default';
}
