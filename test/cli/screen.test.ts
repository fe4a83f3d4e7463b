import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { openScreen, type Input, type Output } from '../../src/cli/screen.ts';

class Terminal extends EventEmitter {
  readonly isTTY = true as const;
  columns = 100;
  rows = 30;
  written = '';
  isRaw = false;
  isRead = false;
  write(text: string | Uint8Array): boolean {
    this.written += String(text);
    return true;
  }
  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }
  resume(): this {
    this.isRead = true;
    return this;
  }
  pause(): this {
    this.isRead = false;
    return this;
  }
}

function open() {
  const terminal = new Terminal();
  let resizes = 0;
  // Of a terminal's two streams, what a screen asks of them.
  const screen = openScreen({ input: terminal as unknown as Input, output: terminal as unknown as Output, onResize: () => resizes++ });
  return { terminal, screen, resizes: () => resizes };
}

test('a screen takes the second page and gives the terminal back as it was', () => {
  const exits = process.listenerCount('exit');
  const { terminal, screen, resizes } = open();
  expect(terminal).toMatchObject({ isRaw: true, isRead: true, written: '\x1b[?1049h\x1b[?25l' });
  screen.show(['one', 'two']);
  expect(terminal.written).toMatch(/\x1b\[Hone\x1b\[K\r\ntwo\x1b\[K\x1b\[J$/);
  terminal.columns = 40;
  terminal.emit('resize');
  expect([screen.width, screen.height, resizes()]).toEqual([40, 30, 1]);
  screen.close();
  screen.close();
  screen.show(['late']);
  expect(terminal).toMatchObject({ isRaw: false, isRead: false });
  expect(terminal.written.split('\x1b[?25h\x1b[?1049l')).toHaveLength(2);
  expect(terminal.written).not.toContain('late');
  expect([terminal.listenerCount('resize'), terminal.listenerCount('data'), process.listenerCount('exit') - exits]).toEqual([0, 0, 0]);
});

test.each(['q', 'Q', '\x03'])('%j ends it, and another key does not', (key) => {
  const { terminal, screen } = open();
  terminal.emit('data', Buffer.from('\x1b[Ax'));
  expect(screen.left.aborted).toBe(false);
  terminal.emit('data', Buffer.from(key));
  expect(screen.left.aborted).toBe(true);
  screen.close();
});
