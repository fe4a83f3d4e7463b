/** The operations and parameters of our OpenAPI documents beside those of a kube-apiserver (v1.37.2), which `record.ts` writes down. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startRest } from '../rest/fixture.ts';
import { operationLines } from './operations.ts';

/** Kinds and parts of a newer Kubernetes. */
const NEWER = /\/(?:clustertrustbundles|podcertificaterequests|csinodes\/\{name\}\/status)\b/;
/** Of metrics-server, which is not asked. */
const OTHERS = 'apis/metrics.k8s.io/v1beta1';

test('every operation has the parameters, the body and the kind that a kube-apiserver gives it', async () => {
  const client = (await startRest()).client();
  const { paths } = JSON.parse((await client.get('/openapi/v3')).text) as { paths: Record<string, unknown> };
  const lines: string[] = [];
  for (const path of Object.keys(paths)) {
    if (path !== OTHERS) lines.push(...operationLines(JSON.parse((await client.get(`/openapi/v3/${path}`)).text)));
  }
  const recorded = readFileSync('test/golden/openapi/operations.txt', 'utf8').trim().split('\n');
  expect(lines.sort()).toEqual(recorded.filter((line) => !NEWER.test(line)).sort());
  expect(lines.length).toBeGreaterThan(450);
});
