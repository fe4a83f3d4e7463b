/** A volume cannot be made as it is asked for, for a reason that a person can do something about. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}
