import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fc } from '../../../base/property.ts';
import { ContainerLog, LOG_FILES_MAX } from '../../../../src/agent/runtime/cri/container-log.ts';
import type { LogOptions } from '../../../../src/agent/runtime/runtime.ts';
import { systemClock } from '../../../../src/base/system-clock.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podium-log-'));
  path = join(directory, '0.log');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const at = (second: number) => `2026-11-27T10:00:${String(second).padStart(2, '0')}.123456789Z`;
const line = (second: number, text: string, tag = 'F') => `${at(second)} stdout ${tag} ${text}\n`;

async function read(options: Partial<LogOptions> = {}, isEnded = () => true): Promise<string> {
  let text = '';
  for await (const bytes of new ContainerLog(path).read(
    { follow: false, timestamps: false, ...options },
    { clock: systemClock, isEnded },
  ))
    text += Buffer.from(bytes).toString();
  return text;
}

describe('ContainerLog.read()', () => {
  test('joins parts, and gives the times of lines that are asked for', async () => {
    writeFileSync(
      path,
      line(1, 'a', 'P') + line(2, 'b') + `${at(3)} stderr F\n` + line(4, '', 'F') + line(5, 'open', 'P'),
    );
    expect(await read()).toBe('ab\n\n\nopen');
    expect(await read({ timestamps: true })).toBe(`${at(1)} ab\n${at(3)} \n${at(4)} \n${at(5)} open`);
    expect(await read({ sinceMs: Date.parse(at(2)) })).toBe('\n\nopen');
    expect(await read({ limitBytes: 3 })).toBe('ab\n');
  });

  test('of no file there is nothing, and who follows waits for it', async () => {
    expect(await read()).toBe('');
    let isEnded = false;
    const followed = read({ follow: true }, () => isEnded);
    writeFileSync(path, line(1, 'late'));
    isEnded = true;
    expect(['', 'late\n']).toContain(await followed);
  });

  test('goes over files that were rotated, oldest first, and follows through several rotations at once', async () => {
    writeFileSync(`${path}.2`, line(1, 'one'));
    writeFileSync(`${path}.1`, line(2, 'two', 'P'));
    writeFileSync(path, line(3, ' and a half') + line(4, 'three'));
    expect(await read()).toBe('one\ntwo and a half\nthree\n');
    expect(await read({ tailLines: 2 })).toBe('two and a half\nthree\n');
    let isEnded = false;
    let text = '';
    const following = new ContainerLog(path).read(
      { follow: true, timestamps: false },
      { clock: systemClock, isEnded: () => isEnded },
    );
    for await (const bytes of following) {
      text += Buffer.from(bytes).toString();
      if (!text.endsWith('three\n')) continue;
      for (const word of ['four', 'five', 'six']) {
        for (const number of [2, 1, 0]) renameSync(number === 0 ? path : `${path}.${number}`, `${path}.${number + 1}`);
        writeFileSync(path, line(5, word));
      }
      appendFileSync(path, line(6, 'last'));
      isEnded = true;
    }
    expect(text).toBe('one\ntwo and a half\nthree\nfour\nfive\nsix\nlast\n');
  });

  test('property: the last lines are those of a model, however they are cut and spread over files', async () => {
    const parts = fc.array(
      fc.record({
        text: fc.stringMatching(/^[a-z ]{0,9}$/),
        isPartial: fc.boolean(),
        isLastOfFile: fc.boolean(),
        isLong: fc.integer({ min: 0, max: 20 }),
      }),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(parts, fc.integer({ min: 0, max: 12 }), async (all, tailLines) => {
        for (let number = 0; number < LOG_FILES_MAX; number++)
          rmSync(number === 0 ? path : `${path}.${number}`, { force: true });
        const files: string[] = [''];
        let written = '';
        for (const { text, isPartial, isLastOfFile, isLong } of all) {
          const content = isLong === 0 ? text + 'x'.repeat(40_000) : text;
          files[files.length - 1] += line(1, content, isPartial ? 'P' : 'F');
          written += isPartial ? content : `${content}\n`;
          if (isLastOfFile && files.length < LOG_FILES_MAX) files.push('');
        }
        files.reverse().forEach((text, number) => writeFileSync(number === 0 ? path : `${path}.${number}`, text));
        const lines = written.split(/(?<=\n)/).filter((one) => one !== '');
        // A line of parts without any text is a line all the same, and shows as nothing.
        const isAmbiguous = all.at(-1)?.isPartial === true && (written === '' || written.endsWith('\n'));
        expect(await read()).toBe(written);
        if (!isAmbiguous)
          expect(await read({ tailLines })).toBe(lines.slice(Math.max(0, lines.length - tailLines)).join(''));
      }),
      { numRuns: 200 },
    );
  });
});

describe('ContainerLog.rotate()', () => {
  test('keeps so many files, and the old one where the runtime does not open another', async () => {
    const log = new ContainerLog(path);
    for (let round = 0; round < 7; round++) {
      writeFileSync(path, line(round, `round ${round}`));
      expect(await log.rotate(10, () => Promise.resolve(writeFileSync(path, '')))).toBe(true);
    }
    expect(await log.rotate(10, () => Promise.reject(new Error('not asked')))).toBe(false);
    expect(await read()).toBe('round 3\nround 4\nround 5\nround 6\n');
    writeFileSync(path, line(9, 'kept'));
    await expect(log.rotate(10, () => Promise.reject(new Error('it does not answer')))).rejects.toThrow(
      'it does not answer',
    );
    appendFileSync(path, line(9, 'goes on'));
    expect((await read()).endsWith('kept\ngoes on\n')).toBe(true);
  });
});
