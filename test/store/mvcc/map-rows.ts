/** Rows in memory, for a map that is tested without a database. */
import type { Rows } from '../../../src/store/mvcc/core/mvcc.ts';
import type { Write } from '../../../src/store/mvcc/core/revision.ts';

export class MapRows implements Rows {
  readonly rows = new Map<string, Uint8Array>();
  gets = 0;

  valueOf({ main, sub }: Write): Uint8Array | undefined {
    this.gets++;
    return this.rows.get(`${main}.${sub}`);
  }

  runFrom(): never {
    throw new Error('not by what is tested with rows in a map');
  }

  putWrite({ main, sub }: Write, value: Uint8Array): void {
    this.rows.set(`${main}.${sub}`, value);
  }

  dropWrite({ main, sub }: Write): void {
    this.rows.delete(`${main}.${sub}`);
  }

  reclaim(): boolean {
    return false;
  }
}
