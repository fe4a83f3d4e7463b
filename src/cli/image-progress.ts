/** How a pull goes on: on a terminal one line that is written over, elsewhere a line for what begins and what goes wrong. */
import type { PullProgress } from '../image/image-service.ts';
import { progressText, type PullView } from './core/image-table.ts';

export interface ProgressLines {
  readonly tell: (progress: PullProgress) => void;
  readonly end: () => void;
}

export function progressLines(
  image: string,
  output: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown },
): ProgressLines {
  const isTerminal = output.isTTY === true;
  let view: PullView = { layers: 0, bytes: 0, done: new Map(), unpacking: 0 };
  let isShown = false;
  const line = (text: string) => {
    output.write(isShown ? `\r\x1b[K${text}\n` : `${text}\n`);
    isShown = false;
  };
  const show = () => {
    if (!isTerminal) return;
    output.write(`\r\x1b[K${`${image}: ${progressText(view)}`.slice(0, (output.columns || 80) - 1)}`);
    isShown = true;
  };
  return {
    tell(progress) {
      if (progress.kind === 'resolved') view = { ...view, layers: progress.layers, bytes: progress.bytes };
      else if (progress.kind === 'downloading')
        view = { ...view, done: new Map(view.done).set(progress.layer, progress.done) };
      else if (progress.kind === 'unpacking') view = { ...view, unpacking: progress.number };
      else if (progress.kind === 'retrying')
        line(
          `${image}: ${progress.what}: ${progress.why}; again${progress.delayMs > 0 ? ` in ${(progress.delayMs / 1_000).toFixed(1)} s` : ' elsewhere'}`,
        );
      else line(`${image}: ${progress.message}`);
      if (progress.kind === 'resolved' && !isTerminal) line(`${image}: ${progressText(view)}`);
      show();
    },
    end() {
      if (isShown) output.write('\r\x1b[K');
      isShown = false;
    },
  };
}
