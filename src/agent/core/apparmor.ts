/** Pods that name an AppArmor profile run only where one can be enforced, as with the kubelet: also `RuntimeDefault`. */
import { containersOf, type AgentPod } from './pod-spec.ts';

const ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

/** `whyNot`: why nobody enforces profiles here; undefined: somebody does, or the runtime has no word of isolation anyway. */
export function appArmorRefusal(pod: AgentPod, whyNot: string | undefined): string | undefined {
  return whyNot === undefined || !wantsProfile(pod) ? undefined : `Cannot enforce AppArmor: ${whyNot}`;
}

function wantsProfile(pod: AgentPod): boolean {
  const fields = [pod.spec.securityContext, ...containersOf(pod).map(({ securityContext }) => securityContext)].map((context) => context?.appArmorProfile?.type);
  const written = Object.entries(pod.metadata.annotations ?? {}).filter(([name]) => name.startsWith(ANNOTATION)).map(([, value]) => value);
  return fields.some((type) => type !== undefined && type !== 'Unconfined') || written.some((value) => value !== 'unconfined');
}
