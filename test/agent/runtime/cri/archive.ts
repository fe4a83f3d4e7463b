/** Images that a container runtime imports: made by the test, since there is no registry to fetch them from. */
import { readFileSync } from 'node:fs';
import { MEDIA } from '../../../../src/image/core/manifest.ts';
import { file, folder, imageOf, symlink, tarOf, type TestImage } from '../../../image/images.ts';

/** Debian's static one; of busybox-static. */
export const BUSYBOX = '/bin/busybox';
export const PAUSE_IMAGE = 'registry.local/pause:1';
/** Has nothing but names: this machine's programs are mounted into it. */
export const MACHINE_IMAGE = 'registry.local/machine:1';
/** As small images are: busybox under all of its names. */
export const BUSYBOX_IMAGE = 'docker.io/library/busybox:1.35';

const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
const { architecture } = platform;
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n';
const pack = (tar: Buffer) => tar;

export function pauseImage(): TestImage {
  return imageOf([[file('busybox', readFileSync(BUSYBOX), { mode: 0o755 })]], { pack, architecture, config: { Entrypoint: ['/busybox', 'sleep', '2147483647'] } });
}

/** `label`: so that it is not the same image as another one. */
export function machineImage(label = ''): TestImage {
  const links = ['bin', 'sbin', 'lib', 'lib64'].map((name) => symlink(name, `usr/${name}`));
  const folders = ['usr', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root'].map((name) => folder(name, name === 'tmp' ? { mode: 0o1777 } : {}));
  return imageOf([[...folders, ...links, file('etc/passwd', PASSWD), file('etc/group', 'root:x:0:\nnogroup:x:65534:\n')]], { pack, architecture, config: { Labels: { label }, Env: ['PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'] } });
}

export function busyboxImage(applets: readonly string[]): TestImage {
  const folders = ['bin', 'etc', 'root', 'tmp', 'proc', 'sys', 'dev'].map((name) => folder(name));
  const programs = applets.filter((name) => name !== 'busybox').map((name) => symlink(`bin/${name}`, 'busybox'));
  const layer = [...folders, file('bin/busybox', readFileSync(BUSYBOX), { mode: 0o755 }), ...programs, file('etc/passwd', PASSWD), file('etc/group', 'root:x:0:\n')];
  return imageOf([layer], { pack, architecture, config: { Cmd: ['sh'], Env: ['PATH=/bin'] } });
}

/** An OCI archive, as `ctr images import` takes it. */
export function archiveOf(reference: string, image: TestImage): Buffer {
  const manifest = {
    mediaType: MEDIA.manifest,
    digest: image.manifestDigest,
    size: image.manifest.length,
    platform,
    annotations: { 'io.containerd.image.name': reference },
  };
  const blobs = [...image.blobs].map(([digest, bytes]) => file(`blobs/sha256/${digest.slice('sha256:'.length)}`, bytes));
  return tarOf([
    file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
    file('index.json', JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [manifest] })),
    ...blobs,
  ]);
}
