/** Colour, on a terminal only, and not against the person's wish (https://no-color.org). */
import { styleText } from 'node:util';
import type { Color } from './core/fitted-table.ts';

export function paint(color: Color, text: string): string {
  const isWanted = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
  return isWanted ? styleText(color, text) : text;
}
