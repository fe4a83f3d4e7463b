/**
 * The cases of the REST face on a real kube-apiserver, over a real etcd: it judges the cases. `PODIUM_KUBE_APISERVER` is
 * its path; there is none in CI, for it is 120 MB and takes longer to build than all tests together.
 */
import { describe } from 'vitest';
import { cases } from './cases.ts';
import { KubeApiserver } from './kube-apiserver.ts';
import { runCases } from './run.ts';

const program = process.env['PODIUM_KUBE_APISERVER'];

describe.skipIf(program === undefined)(program === undefined ? 'PODIUM_KUBE_APISERVER names no kube-apiserver' : program, () =>
  runCases({ name: 'kube-apiserver', faces: ['rest'], traits: ['kube-apiserver'], start: () => KubeApiserver.start(program!) }, cases),
);
