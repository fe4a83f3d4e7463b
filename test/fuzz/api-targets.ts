/** What the API server parses before it knows a kind: bodies, paths, queries, headers, selectors, quantities, tokens. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { assert } from '../../src/base/assert.ts';
import { asBuffer, fromUtf8, toUtf8 } from '../../src/base/bytes.ts';
import { DrivenClock } from '../../src/base/driven-clock.ts';
import { UserError } from '../../src/base/errors.ts';
import { createJwsKey } from '../../src/base/jws.ts';
import { seededRandom } from '../../src/base/random.ts';
import { systemAuthorizer } from '../../src/api/access.ts';
import { bearerOf, subjectOf } from '../../src/api/access/authenticator.ts';
import { impersonated } from '../../src/api/access/impersonation.ts';
import { ServiceAccountTokens } from '../../src/api/access/service-accounts.ts';
import { parseTokenFile } from '../../src/api/access/token-file.ts';
import { checkDepth } from '../../src/api/core/json-body.ts';
import { decodeContinue, encodeContinue, parseResourceVersion } from '../../src/api/core/query.ts';
import { parseBody } from '../../src/api/rest/body.ts';
import * as negotiation from '../../src/api/rest/core/negotiation.ts';
import * as query from '../../src/api/rest/core/query.ts';
import { parsePath } from '../../src/api/rest/core/routes.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { formatQuantity, parseQuantity } from '../../src/kube/quantity.ts';
import { isRecord, type KubeObject } from '../../src/kube/types.ts';
import { parseLabelSelector } from '../../src/kube/label-parser.ts';
import { matchesLabels, parseFieldSelector } from '../../src/kube/selector.ts';
import { mutateJson } from './mutate-json.ts';
import { PROTOBUF_BODIES } from './samples.ts';
import { refuses, type FuzzTarget } from './target.ts';

const texts = (...lines: readonly string[]) => async () => lines.map(fromUtf8);

/** Nothing that was read has come to stand on the prototype of every object. */
export function assertUnpolluted(): void {
  assert(!('polluted' in {}), 'no prototype was written to');
}

/** A refusal of what the client sent: of the class of 400, never an error of the server's own. */
export function refusesAsClient(error: unknown, ...codes: readonly number[]): false {
  if (error instanceof ApiError && codes.includes(error.code)) return false;
  throw error;
}

async function readsBody(bytes: Uint8Array, format: negotiation.BodyFormat): Promise<boolean> {
  let body: unknown;
  try {
    ({ body } = await parseBody(bytes, format));
  } catch (error) {
    return refusesAsClient(error, 400);
  } finally {
    assertUnpolluted();
  }
  // What is handed on can be walked and written.
  checkDepth(body);
  if (body !== undefined) JSON.stringify(body);
  return true;
}

const protobufBody: FuzzTarget = {
  name: 'protobuf-body',
  seeds: async () => PROTOBUF_BODIES.map((text) => Buffer.from(text, 'base64')),
  run: (bytes) => readsBody(bytes, 'protobuf'),
};

const jsonBody: FuzzTarget = {
  name: 'json-body',
  seeds: texts('{"kind":"Pod","metadata":{"name":"a","labels":{"__proto__":"x"}},"spec":{"containers":[{"name":"a\\u0000","ports":[1,-2.5e3]}]}}', '[]', 'null'),
  run: (bytes) => readsBody(bytes, 'json'),
};

const yamlBody: FuzzTarget = {
  name: 'yaml-body',
  shortInputs: 500,
  seeds: texts(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: "y", on: yes}}\ndata:\n  text: |\n    one\n    two\n  folded: >-\n    a\n    b\n',
    'base: &base\n  a: 1\n  b: [x, y]\nother:\n  <<: *base\n  c: *base\nlist: &l [*base, ~, 0x10, 1e3, 0644]\n',
    "# a comment\n- 'it''s'\n- !!str 12\n- ? key\n  : value\n- {__proto__: {polluted: true}}\n",
  ),
  run: (bytes) => readsBody(bytes, 'yaml'),
};

const path: FuzzTarget = {
  name: 'path',
  seeds: texts(
    '/apis/apps/v1/namespaces/default/deployments/web/scale',
    '/api/v1/watch/namespaces/a%2fb/pods/%C3%A9',
    '/api/v1/namespaces/a/finalize',
    '/openapi/v3/apis/apps/v1',
    '/readyz/etcd',
    '/.well-known/openid-configuration',
  ),
  run(bytes) {
    const route = parsePath(toUtf8(bytes));
    if (route?.kind === 'resource') assert(route.ref.resource !== '', 'a resource has a name');
    return route !== undefined && route.kind !== 'none';
  },
};

const parameters: FuzzTarget = {
  name: 'query',
  seeds: texts(
    'labelSelector=a%3Db&fieldSelector=metadata.name%3Da&limit=500&continue=x&resourceVersion=10&timeout=1m30s',
    'watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300',
    'fieldManager=kubectl&fieldValidation=Strict&dryRun=All&force=true&includeObject=None&timeout=32s',
    'gracePeriodSeconds=0&propagationPolicy=Foreground&orphanDependents=false',
    'container=main&follow=true&tailLines=10&sinceTime=2026-01-01T00%3A00%3A00Z&limitBytes=1024',
  ),
  run(bytes) {
    const sent = new URLSearchParams(toUtf8(bytes));
    const { listOptions, watchOptions, writeOptions, deleteOptions, logOptions, includeObject, durationMs } = query;
    const readers: ReadonlyArray<() => unknown> = [
      () => listOptions(sent).limit,
      () => watchOptions(sent).timeoutSeconds,
      () => writeOptions(sent, 'PatchOptions'),
      () => deleteOptions(sent, undefined).gracePeriodSeconds,
      () => logOptions(sent).tailLines,
      () => includeObject(sent),
      () => durationMs(sent, 'timeout'),
      () => parseResourceVersion(sent.get('resourceVersion') ?? ''),
    ];
    let refused = 0;
    for (const read of readers) {
      try {
        const value = read();
        assert(typeof value !== 'number' || Number.isFinite(value), 'a number is one');
      } catch (error) {
        refusesAsClient(error, 400, 422);
        refused++;
      }
    }
    // Most queries are not of every verb: one more refusal than the seeds have is the damage's.
    return refused <= 1;
  },
};

const deleteBody: FuzzTarget = {
  name: 'delete-options',
  seeds: texts('{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":30,"propagationPolicy":"Background","dryRun":["All"],"preconditions":{"uid":"u","resourceVersion":"7"}}'),
  damage: mutateJson,
  run(bytes) {
    const body: unknown = JSON.parse(toUtf8(bytes));
    if (!isRecord(body)) return false;
    try {
      query.deleteOptions(new URLSearchParams(), body);
      return true;
    } catch (error) {
      return refusesAsClient(error, 400, 422);
    }
  },
};

const headers: FuzzTarget = {
  name: 'negotiation',
  seeds: texts(
    'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;q=0.9, */*;q=0.1',
    'application/vnd.kubernetes.protobuf;q="0.5", application/yaml',
  ),
  run(bytes) {
    const header = toUtf8(bytes);
    negotiation.acceptsGzip(header);
    negotiation.aggregatedVersion(header);
    negotiation.formatOrJson(header);
    for (const format of [negotiation.bodyFormat, negotiation.patchFormat]) {
      try {
        format(header);
      } catch (error) {
        refusesAsClient(error, 415);
      }
    }
    try {
      return negotiation.MEDIA_TYPES[negotiation.negotiate(header, { shapes: 'all' }).format] !== undefined;
    } catch (error) {
      return refusesAsClient(error, 406);
    }
  },
};

const labels = { app: 'web', constructor: 'x', version: '3' };

const labelSelector: FuzzTarget = {
  name: 'label-selector',
  seeds: texts('app=web,tier!=back', 'a.b/app in (web, api),version notin (1,2)', 'app,!other,version>2,version<4', ''),
  run(bytes) {
    const parsed = parseLabelSelector(toUtf8(bytes));
    if (parsed.ok) matchesLabels(parsed.value, labels);
    return parsed.ok;
  },
};

const fieldSelector: FuzzTarget = {
  name: 'field-selector',
  seeds: texts('metadata.name=a,spec.nodeName!=b\\,c', 'status.phase==,a=\\\\', ''),
  run: (bytes) => parseFieldSelector(toUtf8(bytes)).ok,
};

const quantity: FuzzTarget = {
  name: 'quantity',
  seeds: texts('100m', '1.5Gi', '2e3', '-1k', '.5', '+12E-3', '9223372036854775807', '0.000000001Ei'),
  run(bytes) {
    const nano = parseQuantity(toUtf8(bytes));
    if (nano === undefined) return false;
    const text = formatQuantity(nano);
    assert(text.length < 128, 'a quantity stays small');
    // Beyond the exponent's limit there is a number that its own text does not give back.
    assert(parseQuantity(text) === nano || text.length > 64, 'a quantity is read as it was written');
    return true;
  },
};

const continueToken: FuzzTarget = {
  name: 'continue',
  // What stands in a token: damage to its letters would seldom leave a document.
  seeds: async () => ['a/b', 'é', 'a\0'].map((from) => Buffer.from(encodeContinue({ revision: 1234, from }), 'base64url')),
  run(bytes) {
    try {
      const position = decodeContinue(asBuffer(bytes).toString('base64url'));
      assert(position.revision >= 0, 'a list goes on at a revision, or at the newest');
      return true;
    } catch (error) {
      return refusesAsClient(error, 400);
    }
  },
};

// ── Who is asking ────────────────────────────────────────────────────────────────────────────────────────────────────

const SECRET = fromUtf8('0123456789abcdef0123456789abcdef');
const jws = createJwsKey({ method: 'HS256', privateKey: SECRET });
const CLAIMS = { iss: 'cluster', aud: ['cluster'], exp: 4e9, nbf: 1, iat: 1, sub: 'system:serviceaccount:a:b', jti: 'j' };
const BOUND = { namespace: 'a', serviceaccount: { name: 'b', uid: 'u' }, pod: { name: 'p', uid: 'u' } };
const there: KubeObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'b', uid: 'u' } };
const bearer: FuzzTarget = {
  name: 'jws',
  seeds: async () => [CLAIMS, { ...CLAIMS, 'kubernetes.io': BOUND }].map((claims) => fromUtf8(jws.sign!(claims, { kid: 'k' }))),
  repair: (bytes, random) => (random.chance(0.7) ? signedAnew(bytes) : bytes),
  run: (bytes) => jws.verify(toUtf8(bytes)) !== undefined,
};

function signedAnew(bytes: Uint8Array): Uint8Array {
  const signed = toUtf8(bytes).split('.').slice(0, 2).join('.');
  return fromUtf8(`${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`);
}

const PRIVATE_KEY = Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
const issuerKey = createJwsKey({ privateKey: PRIVATE_KEY });
const tokens = new ServiceAccountTokens({
  issuer: 'cluster',
  keys: [],
  signingKey: PRIVATE_KEY,
  clock: new DrivenClock(),
  random: seededRandom(1),
  get: async () => there,
});

/** What a token says, signed by the right key whatever it says. */
const claims: FuzzTarget = {
  name: 'token-claims',
  seeds: texts(JSON.stringify({ ...CLAIMS, 'kubernetes.io': BOUND })),
  damage: mutateJson,
  async run(bytes) {
    const said: unknown = JSON.parse(toUtf8(bytes));
    const token = issuerKey.sign!(isRecord(said) ? said : [said], { kid: issuerKey.publicJwk?.kid });
    return (await tokens.authenticateToken(token)) !== undefined;
  },
};

const tokenFile: FuzzTarget = {
  name: 'token-file',
  seeds: texts('# tokens\nabc,alice,1,"system:masters,dev"\r\n\nxyz,bob,2\n', '"quoted,token",name,uid,group\n'),
  async run(bytes) {
    try {
      const users = parseTokenFile(toUtf8(bytes), 'tokens');
      await users.authenticateToken('abc');
      return true;
    } catch (error) {
      return refuses(error, UserError);
    }
  },
};

const admin = { name: 'admin', uid: '', groups: ['system:masters'], extra: {} };

/** Lines of `name: value`, as a request has them. */
const identity: FuzzTarget = {
  name: 'identity',
  seeds: texts(
    'authorization: Bearer abc.def-g\nimpersonate-user: alice\nimpersonate-group: a,b\nimpersonate-uid: 7\nimpersonate-extra-sco%2fpes: x,y',
    'impersonate-user: system:serviceaccount:a:b\nimpersonate-extra-a: 1',
  ),
  async run(bytes) {
    const lines = toUtf8(bytes).split('\n').map((line) => line.split(': '));
    const sent = Object.fromEntries(lines.map(([name = '', value = '']) => [name.toLowerCase(), value]));
    bearerOf(sent['authorization']);
    subjectOf({ CN: sent['impersonate-user'], O: [toUtf8(bytes)] });
    try {
      await impersonated(admin, sent, systemAuthorizer);
      return true;
    } catch (error) {
      return refusesAsClient(error, 400, 403);
    } finally {
      assertUnpolluted();
    }
  },
};

export const API_TARGETS: readonly FuzzTarget[] = [
  protobufBody,
  jsonBody,
  yamlBody,
  path,
  parameters,
  deleteBody,
  headers,
  labelSelector,
  fieldSelector,
  quantity,
  continueToken,
  bearer,
  claims,
  tokenFile,
  identity,
];
