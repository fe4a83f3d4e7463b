/**
 * The OpenAPI documents of an API server: made at the first question, kept until what is served changes. The
 * descriptions, most of the text, are only read then.
 */
import { createHash } from 'node:crypto';
import { documentPath, groupVersionsOf, openApiDocument, openApiIndex } from './core/openapi.ts';
import type { DocumentedResource } from './core/openapi-paths.ts';
import type { Vocabulary } from './core/openapi-schemas.ts';

export interface OpenApiOptions {
  readonly served: () => readonly DocumentedResource[];
  /** As `/version` has it. */
  readonly serverVersion: string;
}

interface Made {
  /** What it was made from: other resources are another list. */
  readonly signature: string;
  readonly documents: Map<string, object>;
  hashes: ReadonlyMap<string, string> | undefined;
}

const HASH_LENGTH = 32;

export class OpenApiDocuments {
  readonly #options: OpenApiOptions;
  #vocabulary: Promise<Vocabulary> | undefined;
  #made: Made | undefined;

  constructor(options: OpenApiOptions) {
    this.#options = options;
  }

  /** `/openapi/v3`. */
  async index(): Promise<object> {
    const made = this.#current();
    if (made.hashes === undefined) {
      const hashes = new Map<string, string>();
      for (const groupVersion of groupVersionsOf(this.#options.served())) {
        const path = documentPath(groupVersion);
        const text = JSON.stringify(await this.document(path));
        hashes.set(path, createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH).toUpperCase());
      }
      made.hashes = hashes;
    }
    return openApiIndex(made.hashes);
  }

  /** By `api/v1`, `apis/apps/v1`; undefined: there is none. */
  async document(path: string): Promise<object | undefined> {
    const vocabulary = await (this.#vocabulary ??= loadVocabulary());
    const made = this.#current();
    const known = made.documents.get(path);
    if (known !== undefined) return known;
    const served = this.#options.served();
    const groupVersion = groupVersionsOf(served).find((one) => documentPath(one) === path);
    if (groupVersion === undefined) return undefined;
    const document = openApiDocument({ served, groupVersion, vocabulary, serverVersion: this.#options.serverVersion });
    made.documents.set(path, document);
    return document;
  }

  #current(): Made {
    const signature = this.#options
      .served()
      .map(({ info, verbs, subresources }) => [info.group, info.version, info.resource, ...verbs, ...subresources.map(({ name }) => name)].join(' '))
      .join('\n');
    if (this.#made?.signature !== signature) this.#made = { signature, documents: new Map(), hashes: undefined };
    return this.#made;
  }
}

async function loadVocabulary(): Promise<Vocabulary> {
  const { DESCRIPTIONS, HOMES } = await import('./core/descriptions.generated.ts');
  return { descriptions: DESCRIPTIONS, homes: HOMES };
}
