/** Validation of a pod's volumes. */
import type { DownwardAPIVolumeFile, KeyToPath, Volume } from 'kubernetes-types/core/v1.js';
import { type FieldError, forbiddenField, invalid, required } from '../../kube/errors.ts';
import { checkDnsLabel } from '../../kube/names.ts';
import { parseQuantity } from '../../kube/quantity.ts';
import { checked, findDuplicates, oneOf } from '../core/validate.ts';
import { validateInnerPath } from './container.ts';

const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'];
const MODE_MAX = 0o777;

export function validateVolumes(volumes: readonly Volume[], path: string): FieldError[] {
  const errors = volumes.flatMap((volume, index) => {
    const at = `${path}[${index}]`;
    const found = volume.name === '' ? [required(`${at}.name`)] : checked(`${at}.name`, volume.name, checkDnsLabel(volume.name));
    const sources = Object.keys(volume).filter((field) => field !== 'name');
    sources.slice(1).forEach((source) => found.push(forbiddenField(`${at}.${source}`, 'may not specify more than 1 volume type')));
    return [...found, ...validateSource(volume, at)];
  });
  return [...errors, ...findDuplicates(volumes.map(({ name }) => name), (index) => `${path}[${index}].name`)];
}

function validateSource(volume: Volume, at: string): FieldError[] {
  const { hostPath, secret, configMap, emptyDir, downwardAPI, nfs } = volume;
  const errors: FieldError[] = [];
  const sizeLimit = emptyDir?.sizeLimit;
  if (sizeLimit !== undefined && (parseQuantity(sizeLimit) ?? 0n) < 0n) {
    errors.push(forbiddenField(`${at}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  if (hostPath?.path.split('/').includes('..')) errors.push(invalid(`${at}.hostPath.path`, hostPath.path, "must not contain '..'"));
  errors.push(...oneOf(`${at}.hostPath.type`, hostPath?.type, HOST_PATH_TYPES));
  if (secret !== undefined) {
    if (!secret.secretName) errors.push(required(`${at}.secret.secretName`));
    errors.push(...validateMode(secret.defaultMode, `${at}.secret.defaultMode`), ...validateItems(secret.items, `${at}.secret.items`));
  }
  if (configMap !== undefined) {
    if (!configMap.name) errors.push(required(`${at}.configMap.name`));
    errors.push(...validateMode(configMap.defaultMode, `${at}.configMap.defaultMode`), ...validateItems(configMap.items, `${at}.configMap.items`));
  }
  if (nfs !== undefined) {
    if (nfs.server === '') errors.push(required(`${at}.nfs.server`));
    if (nfs.path === '') errors.push(required(`${at}.nfs.path`));
    if (!nfs.path.startsWith('/')) errors.push(invalid(`${at}.nfs.path`, nfs.path, 'must be an absolute path'));
  }
  return [...errors, ...(downwardAPI?.items ?? []).flatMap((item) => validateDownward(item, `${at}.downwardAPI`))];
}

function validateMode(mode: number | undefined, path: string): FieldError[] {
  const isMode = mode === undefined || (mode >= 0 && mode <= MODE_MAX);
  return isMode ? [] : [invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

function validateItems(items: readonly KeyToPath[] = [], path: string): FieldError[] {
  return items.flatMap(({ key, path: inner, mode }, index) => {
    const at = `${path}[${index}]`;
    return [
      ...(key === '' ? [required(`${at}.key`)] : []),
      ...(inner === '' ? [required(`${at}.path`)] : validateInnerPath(inner, `${at}.path`)),
      ...validateMode(mode, `${at}.mode`),
    ];
  });
}

function validateDownward({ path: inner, fieldRef, resourceFieldRef, mode }: DownwardAPIVolumeFile, at: string): FieldError[] {
  const errors = inner === '' ? [required(`${at}.path`)] : validateInnerPath(inner, `${at}.path`);
  if (fieldRef === undefined && resourceFieldRef === undefined) errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateMode(mode, `${at}.mode`)];
}
