/**
 * A full screen on a terminal, written over in place. It takes the terminal's second page and the keyboard, and gives
 * both back as they were: on `close`, and when the process ends in another way.
 */
import type { ReadStream, WriteStream } from 'node:tty';

export interface Screen {
  readonly width: number;
  readonly height: number;
  /** Fires when q or Ctrl-C is typed. */
  readonly left: AbortSignal;
  show(lines: readonly string[]): void;
  close(): void;
}

export type Output = Pick<WriteStream, 'columns' | 'rows' | 'write' | 'on' | 'off'>;
export type Input = Pick<ReadStream, 'isTTY' | 'setRawMode' | 'resume' | 'pause' | 'on' | 'off'>;

const OTHER_PAGE = '\x1b[?1049h\x1b[?25l';
const FIRST_PAGE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CTRL_C = '\x03';
/** Of a terminal that does not say. */
const WIDTH = 80;
const HEIGHT = 24;

export function openScreen({ input, output, onResize }: { readonly input: Input; readonly output: Output; readonly onResize: () => void }): Screen {
  const left = new AbortController();
  const typed = (keys: Buffer) => {
    if (/[qQ]/.test(keys.toString('latin1')) || keys.includes(CTRL_C)) left.abort();
  };
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    process.off('exit', close);
    output.off('resize', onResize);
    input.off('data', typed);
    if (input.isTTY) input.setRawMode(false);
    input.pause();
    output.write(FIRST_PAGE);
  };
  process.on('exit', close);
  output.on('resize', onResize);
  // Keys come one by one and unseen; Ctrl-C is then a key, too.
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', typed);
    input.resume();
  }
  output.write(OTHER_PAGE);
  return {
    get width() {
      return output.columns || WIDTH;
    },
    get height() {
      return output.rows || HEIGHT;
    },
    left: left.signal,
    // Written over rather than wiped, so that it does not flicker.
    show: (lines) => void (isOpen && output.write(HOME + lines.map((line) => line + CLEAR_LINE).join('\r\n') + CLEAR_BELOW)),
    close,
  };
}
