import { expect, test } from 'vitest';
import { acceptsGzip, aggregatedVersion, bodyFormat, negotiate, patchFormat } from '../../../../src/api/rest/core/negotiation.ts';
import { ApiError } from '../../../../src/kube/errors.ts';

const KUBECTL = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';

const chosen = (accept: string | undefined, shapes: 'all' | 'plain' = 'all') => {
  try {
    const { format, shape } = negotiate(accept, { shapes });
    return `${format} ${shape.as}${'version' in shape ? ` ${shape.version}` : ''}`;
  } catch (error) {
    if (error instanceof ApiError) return String(error.code);
    throw error;
  }
};

test.each([
  [undefined, 'json object'],
  ['', 'json object'],
  ['*/*', 'json object'],
  ['application/*', 'json object'],
  ['application/yaml', 'yaml object'],
  [KUBECTL, 'json table v1'],
  ['application/json;as=Table;v=v1beta1;g=meta.k8s.io', 'json table v1beta1'],
  ['application/json;as=Table;v=v2;g=meta.k8s.io', '406'],
  ['application/json;as=Table;v=v1;g=other', '406'],
  ['application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', 'json partial v1'],
  ['application/vnd.kubernetes.protobuf,application/json', 'json object'],
  ['application/vnd.kubernetes.protobuf, */*', 'json object'],
  ['application/vnd.kubernetes.protobuf', '406'],
  ['text/html', '406'],
  ['application/json;q=0', '406'],
  ['application/json;q=0.5, application/yaml;q=0.9', 'yaml object'],
])('negotiate(%s) is %s', (accept, wanted) => {
  expect(chosen(accept)).toBe(wanted);
});

test('what has no columns is sent as an object to whoever takes one', () => {
  expect(chosen(KUBECTL, 'plain')).toBe('json object');
});

test('aggregated discovery is for whoever asks for it before plain JSON', () => {
  const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  expect(aggregatedVersion(`${v2},application/json`)).toBe('v2');
  expect(aggregatedVersion(`${v2.replace('v=v2', 'v=v2beta1')},application/json`)).toBe('v2beta1');
  expect(aggregatedVersion(`application/json,${v2}`)).toBeUndefined();
  expect(aggregatedVersion(`${v2.replace('v=v2', 'v=v9')},application/json`)).toBeUndefined();
  expect(aggregatedVersion(undefined)).toBeUndefined();
});

test('bodies: JSON, YAML and protobuf; anything else is 415 and says what is taken', () => {
  expect(['application/json; charset=utf-8', 'application/yaml', undefined, 'application/vnd.kubernetes.protobuf'].map(bodyFormat)).toEqual(['json', 'yaml', 'json', 'protobuf']);
  expect(() => bodyFormat('text/plain')).toThrow('accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf');
  expect(patchFormat('application/strategic-merge-patch+json')).toBe('strategic');
  expect(patchFormat('application/apply-patch+yaml')).toBe('apply');
  expect(() => patchFormat('application/json')).toThrow('application/merge-patch+json');
  expect(() => patchFormat('application/apply-patch+cbor')).toThrow(ApiError);
});

test('gzip only where it is accepted', () => {
  expect(['gzip, deflate', '*', 'gzip;q=0', 'br', undefined].map(acceptsGzip)).toEqual([true, true, false, false, false]);
});
