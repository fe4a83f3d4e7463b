import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/base/errors.ts';
import { parseConfig } from '../../src/cluster/config.ts';

function problemsOf(text: string): string {
  try {
    parseConfig(text, 'local.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  return 'no problem';
}

describe('parseConfig()', () => {
  test('the documented file says what the defaults are', () => {
    const written = parseConfig(readFileSync('cluster-config/local.yaml', 'utf8'), 'local.yaml');
    expect(written.warnings).toEqual([]);
    expect(written).toEqual(parseConfig('', 'local.yaml'));
    expect(written.config.store.members.map(({ name, clientPort }) => `${name} ${clientPort}`)).toEqual([
      'store-1 2379',
      'store-2 12379',
      'store-3 22379',
    ]);
  });

  test('an unknown field is refused where it stands, with what was meant', () => {
    expect(problemsOf('name: local\ntimings:\n  nodeGraceSecond: 8\n')).toBe(
      'local.yaml:3:3: unknown field "timings.nodeGraceSecond": did you mean nodeGraceSeconds?',
    );
    expect(problemsOf('banana: 1\n')).toContain('local.yaml:1:1: unknown field "banana": known are name, store,');
  });

  test('broken YAML is refused with line and column', () => {
    expect(problemsOf('store:\n  members: [a, b\nnodes: 1\n')).toMatch(/^local\.yaml:\d+:\d+: /);
    expect(problemsOf('name: a\nname: b\n')).toMatch(/^local\.yaml:2:1: Map keys must be unique/);
  });

  test('wrong types and values are all reported at once', () => {
    expect(
      problemsOf('apiServer:\n  grpcPort: "6444"\n  restPort: 70000\nnodes:\n  - name: Node_1\n    port: 1\n    cpu: lots\n').split('\n'),
    ).toEqual([
      'local.yaml:2:13: apiServer.grpcPort: must be a whole number from 1 to 65535, not "6444"',
      'local.yaml:3:13: apiServer.restPort: must be a whole number from 1 to 65535, not 70000',
      "local.yaml:5:11: nodes[0].name: must be a DNS label (lower-case letters, digits and '-', at most 63), not \"Node_1\"",
      'local.yaml:7:10: nodes[0].cpu: must be a quantity such as 500m, 4 or 4Gi, not "lots"',
    ]);
    expect(problemsOf('store: []\n')).toBe('local.yaml:1:8: store: must be a mapping, not a list');
    expect(problemsOf('nodes:\n  - name: a\n')).toBe('local.yaml:2:5: nodes[0].port: must be written');
  });

  test('a duplicate member, name or port is refused, an even count of members warned of', () => {
    const member = (name: string, port: number) => `    - { name: ${name}, clientPort: ${port}, peerPort: ${port + 1} }\n`;
    expect(problemsOf(`store:\n  members:\n${member('a', 1)}${member('a', 3)}${member('c', 5)}`)).toBe(
      'local.yaml:4:15: store.members[1].name: the name a is already that of store.members[0].name',
    );
    expect(problemsOf(`store:\n  members:\n${member('a', 1)}${member('b', 2)}`)).toBe(
      'local.yaml:4:30: store.members[1].clientPort: port 2 is already that of store.members[0].peerPort',
    );
    const { warnings } = parseConfig(`store:\n  members:\n${member('a', 1)}${member('b', 3)}`, 'local.yaml');
    expect(warnings).toEqual([
      'local.yaml: store.members: 2 members survive the loss of 0, no more than 1 would: use 1 or 3',
    ]);
  });

  test('further API servers have ports of their own, and there must be some left', () => {
    const { config } = parseConfig('apiServer: { count: 2 }', 'local.yaml');
    expect(config.apiServer).toEqual({ count: 2, grpcPort: 6444, restPort: 6443 });
    expect(problemsOf('apiServer: { count: 2, restPort: 60000 }')).toContain("apiServer.count: the last server's port would be 70000");
    expect(problemsOf('apiServer: { count: 2 }\nscheduler: { port: 16443 }')).toContain('port 16443 is already that of apiServer.restPort');
  });

  test('a grace period must outlast two heartbeats', () => {
    expect(problemsOf('timings:\n  nodeHeartbeatSeconds: 5\n')).toContain('must be at least two heartbeats (10)');
  });
});
