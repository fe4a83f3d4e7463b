/** What a node costs: `npm run bench:node`. A measurement that the machine does not allow says why in place of figures. */
import type { BenchOptions } from '../options.ts';
import { table } from '../report.ts';
import { missingForNetworks } from '../../agent/nftables/network.ts';
import { benchConnections } from './connections.ts';
import { benchPods } from './pods.ts';
import { benchRules } from './rules.ts';

/** Its name, what was measured, and what it should be. */
export type Row = readonly [name: string, value: string, aim: string];

export async function benchNode({ rounds, filter }: BenchOptions): Promise<string> {
  const missing = missingForNetworks();
  const parts: readonly { readonly name: string; readonly run: (rounds: number) => Promise<readonly Row[]> }[] = [
    { name: 'rules', run: benchRules },
    { name: 'connections', run: benchConnections },
    { name: 'pods', run: benchPods },
  ];
  const rows: Row[] = [];
  for (const { name, run } of parts) {
    if (!name.includes(filter)) continue;
    if (missing === undefined) rows.push(...(await run(rounds)));
    else rows.push([name, missing, '']);
  }
  return table([['node', 'podium', 'aim'], ...rows]);
}
