/**
 * What clients of the Kubernetes API count on, as requests and what must come of them. Every case runs on every subject
 * that can express it, a real kube-apiserver among them where one is at hand: an expectation that it does not meet is a
 * wrong expectation.
 */
import { accessCases } from './access-cases.ts';
import { applyCases } from './apply-cases.ts';
import { contentCases } from './content-cases.ts';
import { deletionCases } from './deletion-cases.ts';
import { discoveryCases } from './discovery-cases.ts';
import { fieldCases } from './field-cases.ts';
import { limitCases } from './limit-cases.ts';
import { listCases } from './list-cases.ts';
import { partCases } from './part-cases.ts';
import { pathCases } from './path-cases.ts';
import type { Case } from './subject.ts';
import { watchCases } from './watch-cases.ts';
import { writeCases } from './write-cases.ts';

export const cases: readonly Case[] = [
  ...listCases,
  ...fieldCases,
  ...watchCases,
  ...pathCases,
  ...contentCases,
  ...accessCases,
  ...limitCases,
  ...discoveryCases,
  ...writeCases,
  ...applyCases,
  ...partCases,
  ...deletionCases,
];
