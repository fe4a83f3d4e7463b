/** Columns and cells of tables, as they are written down. */
import type { Answer } from '../rest/fixture.ts';
import { kindOf, namespaceOf } from '../defaults/answer.ts';
import type { Manifest } from '../defaults/objects.ts';

/** A column as it is written down: `Name string name 0`; what is said of it is left out, for those are somebody's sentences. */
interface Definition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly priority: number;
}

export function lineOf({ name, type, format, priority }: Definition): string {
  return [name, type, format === '' ? '-' : format, priority].join(' ');
}

export const AS_TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };

/** Where an object is created and not kept: the answer is its row. */
export function creationPath(manifest: Manifest): string {
  const { info } = kindOf(manifest);
  const namespace = info.namespaced ? `namespaces/${namespaceOf(manifest)}/` : '';
  return `/${info.group === '' ? 'api' : 'apis'}/${manifest.apiVersion}/${namespace}${info.resource}?dryRun=All`;
}

/** Without what is another at each question: ages, times, addresses and ids. */
export function cellsOf({ status, body }: Answer): readonly unknown[] {
  if (status !== 201) return ['refused', status];
  return (body.rows[0]?.cells ?? []).map((cell) => {
    if (typeof cell !== 'string') return cell;
    // Of the future, for who reads another clock.
    if (/^(?:\d+[smhdy](?:\d+[smhdy])?|<invalid>)$/.test(cell)) return '<age>';
    if (/^(?:10\.96|127)\.\d+\.\d+(?:\.\d+)?$/.test(cell)) return '<address>';
    return cell.replace(/^\d{4}-\d\d-\d\dT[\d:]+Z$/, '<time>').replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, '<uid>');
  });
}
