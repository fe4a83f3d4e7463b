/** `podium capacity`: which node has room. */
import { resources } from '../client/api-client.ts';
import { type CliContext, EXIT_OK } from './context.ts';
import { capacityRows } from './core/capacity.ts';
import { renderRows } from './core/table.ts';
import { listAll } from './resources.ts';

export async function capacity(context: CliContext): Promise<number> {
  const [nodes, pods] = await Promise.all([listAll(context.api, resources.nodes), listAll(context.api, resources.pods)]);
  if (nodes.items.length === 0) context.warn('No resources found');
  else context.write(renderRows(capacityRows(nodes.items, pods.items)));
  return EXIT_OK;
}
