import { FITS, type Filter } from './filter.ts';

/** Ports of the host that another pod of the node has. */
export const nodePorts: Filter = {
  name: 'NodePorts',
  reasons({ hostPorts }, { pods }) {
    if (hostPorts.length === 0) return FITS;
    for (const other of pods.values()) {
      if (other.hostPorts.some((taken) => hostPorts.some((wanted) => clash(taken, wanted)))) {
        return ["node(s) didn't have free ports for the requested pod ports"];
      }
    }
    return FITS;
  },
};

/** The same protocol and port, and the same address or one of them on all addresses. */
function clash(a: string, b: string): boolean {
  const [protocolA, addressA, portA] = a.split('/');
  const [protocolB, addressB, portB] = b.split('/');
  if (protocolA !== protocolB || portA !== portB) return false;
  return addressA === addressB || addressA === '0.0.0.0' || addressB === '0.0.0.0';
}
