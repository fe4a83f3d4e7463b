/** The rules of 1,000 services: all of them, and after a change of one endpoint. */
import { NftablesProxy } from '../../../src/agent/nftables/nftables-proxy.ts';
import { silentLog } from '../../../src/base/log.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { manyServices, node } from '../../agent/nftables/objects.ts';
import { Namespace } from '../../agent/nftables/network.ts';
import { max, median } from '../report.ts';
import type { Row } from './node.ts';

const SERVICES = 1_000;
const CHANGES_PER_ROUND = 10;

export async function benchRules(rounds: number): Promise<readonly Row[]> {
  const namespace = await Namespace.make();
  const proxy = new NftablesProxy({ node, run: namespace.run, clock: systemClock, log: silentLog });
  try {
    const { services, slices } = manyServices(SERVICES);
    const apply = async (some: typeof slices) => {
      const startedAtMs = performance.now();
      proxy.update(services, some);
      await proxy.settled();
      return performance.now() - startedAtMs;
    };
    const wholeMs = await apply(slices);
    const changeMs: number[] = [];
    const nftMs: number[] = [];
    const usedBefore = process.cpuUsage();
    for (let change = 0; change < rounds * CHANGES_PER_ROUND; change++) {
      const at = (change * 37) % SERVICES;
      const one = slices[at]!;
      // The endpoint goes, and comes back.
      const changed = slices.with(at, { ...one, endpoints: one.endpoints.slice(1) });
      for (const state of [changed, slices]) {
        changeMs.push(await apply(state));
        nftMs.push(proxy.stats.lastMs);
      }
    }
    const used = process.cpuUsage(usedBefore);
    const ownMs = (used.user + used.system) / 1000 / changeMs.length;
    if (proxy.stats.resyncs !== 1 || proxy.stats.failures !== 0) throw new Error(`not as intended: ${JSON.stringify(proxy.stats)}`);
    return [
      [`rules of ${SERVICES.toLocaleString('en')} services of 3 endpoints, all at once, ms`, wholeMs.toFixed(0), ''],
      [`one endpoint among them changes, median of ${changeMs.length}, ms`, median(changeMs).toFixed(1), '50'],
      ['  its worst, ms', max(changeMs).toFixed(1), ''],
      ['  of it in nft, median, ms', median(nftMs).toFixed(1), ''],
      ['  processor time of the agent’s part, mean, ms', ownMs.toFixed(1), ''],
    ];
  } finally {
    await proxy.close();
    namespace.close();
  }
}
