import { expect, test } from 'vitest';
import { deleteOptions, durationMs, flag, includeObject, listOptions, logOptions, numberOf, watchOptions, writeOptions } from '../../../../src/api/rest/core/query.ts';

const query = (text: string) => new URLSearchParams(text);

test('booleans are as lenient as in Kubernetes', () => {
  expect(['a=1', 'a=true', 'a', 'a=yes', 'a=0', 'a=False', ''].map((text) => flag(query(text), 'a'))).toEqual([true, true, true, true, false, false, false]);
});

test('numbers are refused with the words of strconv', () => {
  expect(numberOf(query('limit=500'), 'limit')).toBe(500);
  expect(() => listOptions(query('limit=abc'))).toThrow('strconv.ParseInt: parsing "abc": invalid syntax');
  expect(() => listOptions(query('limit=99999999999999999999'))).toThrow('strconv.ParseInt: parsing "99999999999999999999": value out of range');
});

test('durations are those of Go', () => {
  expect(['timeout=32s', 'timeout=1m30s', 'timeout=1.5h', 'timeout=250ms', ''].map((text) => durationMs(query(text), 'timeout'))).toEqual([32_000, 90_000, 5_400_000, 250, undefined]);
  expect(() => durationMs(query('timeout=32'), 'timeout')).toThrow('time: invalid duration "32"');
});

test('initial events are for watches', () => {
  expect(watchOptions(query('sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1&timeoutSeconds=7'))).toMatchObject({ sendInitialEvents: true, allowWatchBookmarks: true, timeoutSeconds: 7 });
  expect(() => listOptions(query('sendInitialEvents=true'))).toThrow('sendInitialEvents is forbidden for list');
});

test('writes: dry run is All or nothing, validation one of three, a manager can be printed', () => {
  expect(writeOptions(query(''), 'CreateOptions')).toEqual({ dryRun: false, fieldValidation: 'Warn', fieldManager: '', force: false });
  expect(writeOptions(query('dryRun=All&fieldValidation=Strict&fieldManager=me&force=true'), 'PatchOptions')).toEqual({ dryRun: true, fieldValidation: 'Strict', fieldManager: 'me', force: true });
  expect(() => writeOptions(query('dryRun=Some'), 'CreateOptions')).toThrow('CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"');
  expect(() => writeOptions(query('fieldValidation=Maybe'), 'UpdateOptions')).toThrow('supported values: "", "Ignore", "Strict", "Warn"');
  expect(() => writeOptions(query(`fieldManager=${'x'.repeat(129)}`), 'CreateOptions')).toThrow('may not be more than 128 bytes');
  expect(() => writeOptions(query('fieldManager=%07'), 'CreateOptions')).toThrow('invalid character U+0007 (at position 0)');
});

test('deletion: the body goes before the query, orphanDependents stays what it is', () => {
  expect(deleteOptions(query('gracePeriodSeconds=5&propagationPolicy=Foreground'), undefined)).toMatchObject({ gracePeriodSeconds: 5, propagationPolicy: 'Foreground', dryRun: false });
  expect(deleteOptions(query('gracePeriodSeconds=5'), { gracePeriodSeconds: 0, dryRun: ['All'], preconditions: { uid: 'u' } })).toMatchObject({ gracePeriodSeconds: 0, dryRun: true, preconditions: { uid: 'u', resourceVersion: undefined } });
  expect(deleteOptions(query('orphanDependents=true'), undefined)).toMatchObject({ propagationPolicy: '', orphanDependents: true });
  expect(() => deleteOptions(query(''), { gracePeriodSeconds: 'x' })).toThrow('gracePeriodSeconds');
  expect(() => deleteOptions(query(''), { preconditions: [] })).toThrow('preconditions');
});

test('logs: every finding at once', () => {
  expect(logOptions(query('container=c&follow=true&tailLines=0&sinceTime=2024-01-01T00:00:00Z'))).toMatchObject({ container: 'c', follow: true, tailLines: 0, sinceTime: '2024-01-01T00:00:00Z' });
  expect(() => logOptions(query('tailLines=-1&limitBytes=0'))).toThrow(/tailLines: Invalid value: -1.*limitBytes: Invalid value: 0/);
  expect(() => logOptions(query('sinceSeconds=1&sinceTime=2024-01-01T00:00:00Z'))).toThrow('at most one of');
  expect(() => logOptions(query('sinceTime=yesterday'))).toThrow('parsing time "yesterday"');
});

test('tables: what stands beside the cells', () => {
  expect(['', 'includeObject=None', 'includeObject=Object'].map((text) => includeObject(query(text)))).toEqual(['Metadata', 'None', 'Object']);
  expect(() => includeObject(query('includeObject=All'))).toThrow(`must be 'Metadata', 'Object', 'None', or empty`);
});
