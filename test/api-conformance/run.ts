/** Runs the table of cases on the faces of one server, each case in a namespace of its own. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import type { FaceName, Server } from './podium.ts';
import { placeOf, type Case, type Trait } from './subject.ts';

export interface ServerKind {
  readonly name: string;
  readonly faces: readonly FaceName[];
  readonly traits?: readonly Trait[];
  readonly start: () => Promise<Server>;
}

export function runCases({ name: kind, faces, traits = [], start }: ServerKind, cases: readonly Case[]): void {
  describe(kind, () => {
    let server: Server;
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server?.stop());

    for (const face of faces) {
      describe(face, () => {
        for (const [number, { name, run, not = {} }] of cases.entries()) {
          const reason = [face, ...traits].map((trait) => not[trait]).find((text) => text !== undefined);
          test.skipIf(reason !== undefined)(reason === undefined ? name : `${name} (${reason})`, async () => {
            const namespace = `${face}-case-${number + 1}`;
            const subject = server.subject(face, namespace);
            await subject.api.create(placeOf('', 'namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
            await run(subject);
          });
        }
      });
    }
  });
}
