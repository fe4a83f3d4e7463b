/**
 * Brings a clone to a state in which `node dist/src/main.js` runs: installs packages and compiles, each only where it
 * is missing or stale. Plain JavaScript, since it runs before there is a compiler.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const oldestNode = [20, 15];
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
  console.error(`podium needs Node.js ${oldestNode.join('.')} or later; this is ${process.versions.node}`);
  process.exit(1);
}

const modifiedAt = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newestBelow(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestBelow(path) : modifiedAt(path));
  }
  return newest;
}

function run(what, command, args) {
  const startedAt = performance.now();
  process.stderr.write(`setup: ${what} … `);
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    process.stderr.write(`failed\n${stdout ?? ''}${stderr ?? ''}`);
    process.exit(status ?? 1);
  }
  process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

if (modifiedAt('node_modules/.package-lock.json') < modifiedAt('package-lock.json')) {
  run('installing packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
}

const sources = ['src', 'test', 'scripts'].filter((folder) => existsSync(folder));
const newestSource = Math.max(modifiedAt('tsconfig.json'), ...sources.map(newestBelow));
// Not the compiler's own: it writes that also where it only checks.
const stamp = 'dist/.compiled';
if (modifiedAt(stamp) < newestSource) {
  const startedAt = new Date();
  run('compiling', 'node_modules/.bin/tsc', ['-p', '.']);
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt);
}
// `npx podium` makes it so once for a folder; it stays what the compiler writes where dist/ was made again since.
chmodSync('dist/src/main.js', 0o755);
