/** What every runtime owes, as a list of cases. */
import { CHANGE_CASES } from './conformance-changes.ts';
import { IMAGE_CASES } from './conformance-images.ts';
import { ISOLATION_CASES } from './conformance-isolation.ts';
import { LIFE_CASES } from './conformance-life.ts';
import { LIMIT_CASES } from './conformance-limits.ts';
import { NETWORK_CASES } from './conformance-network.ts';
import { STREAM_CASES } from './conformance-streams.ts';
import { VOLUME_CASES } from './conformance-volumes.ts';
import type { Case } from './conformance.ts';

export const CASES: readonly Case[] = [...LIFE_CASES, ...CHANGE_CASES, ...NETWORK_CASES, ...STREAM_CASES, ...ISOLATION_CASES, ...IMAGE_CASES, ...LIMIT_CASES, ...VOLUME_CASES];
