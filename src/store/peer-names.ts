/** Who may speak as a member, by the name in its certificate. */
import { RpcCode, RpcError, type AnyHandler, type BoundService } from '../proto/rpc.ts';

/** etcd's --peer-cert-allowed-cn: whoever has another name is refused, whatever its certificate was signed by. */
export function onlyFor(bound: BoundService, names: readonly string[]): BoundService {
  if (names.length === 0) return bound;
  const handlers = Object.entries(bound.handlers).map(([name, handler]): [string, AnyHandler | undefined] => {
    if (handler === undefined) return [name, undefined];
    const guarded: AnyHandler = (request, context) => {
      if (context.identity === undefined || !names.includes(context.identity))
        throw new RpcError(RpcCode.PERMISSION_DENIED, 'the name in the certificate is not one of a member’s');
      return handler(request, context);
    };
    return [name, guarded];
  });
  return { ...bound, handlers: Object.fromEntries(handlers) };
}
