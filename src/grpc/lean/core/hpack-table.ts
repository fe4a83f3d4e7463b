/** HPACK's tables of header fields (RFC 7541 §2.3, appendix A). One index space: the static ones, then the dynamic, newest first. */

/** A name and its value, as latin1 text. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** "name" or "name: value", from index 1 on. */
const STATIC: readonly Field[] = `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https
:status 200|:status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset
accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization
cache-control|content-disposition|content-encoding|content-language|content-length|content-location|content-range
content-type|cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range
if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh
retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate`
  .split(/[|\n]/)
  .map((entry) => {
    const [name, ...value] = entry.split(' ');
    return { name: name!, value: value.join(' ') };
  });

export const STATIC_FIELDS = STATIC.length;

const BY_NAME: ReadonlyMap<string, number> = new Map([...STATIC.entries()].reverse().map(([at, { name }]) => [name, at + 1]));
const BY_FIELD: ReadonlyMap<string, number> = new Map(STATIC.map(({ name, value }, at) => [`${name}\0${value}`, at + 1]));

export function staticIndexOf(field: Field): { readonly field: number | undefined; readonly name: number | undefined } {
  return { field: BY_FIELD.get(`${field.name}\0${field.value}`), name: BY_NAME.get(field.name) };
}

/** §4.1: what an entry costs over its bytes. */
export const FIELD_OVERHEAD_BYTES = 32;

export function sizeOf({ name, value }: Field): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}

export class HpackTable {
  /** Oldest first from `#head` on: an index counts from the end. */
  #fields: Field[] = [];
  #head = 0;
  #size = 0;
  #sizeMax: number;
  /** Grows with every change: what was looked up before one may be another field after it. */
  generation = 0;

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Undefined: there is no such entry. */
  at(index: number): Field | undefined {
    if (index <= STATIC_FIELDS) return STATIC[index - 1];
    const at = this.#fields.length - (index - STATIC_FIELDS);
    return at < this.#head ? undefined : this.#fields[at];
  }

  /** §4.4: one that is larger than the table leaves it empty. */
  insert(field: Field): void {
    this.generation++;
    const size = sizeOf(field);
    this.#evict(this.#sizeMax - size);
    if (size > this.#sizeMax) return;
    this.#fields.push(field);
    this.#size += size;
  }

  /** §4.3 */
  resize(sizeMax: number): void {
    this.generation++;
    this.#sizeMax = sizeMax;
    this.#evict(sizeMax);
  }

  #evict(room: number): void {
    while (this.#size > room && this.#head < this.#fields.length) this.#size -= sizeOf(this.#fields[this.#head++]!);
    if (this.#head < 32 || this.#head * 2 < this.#fields.length) return;
    this.#fields = this.#fields.slice(this.#head);
    this.#head = 0;
  }
}
