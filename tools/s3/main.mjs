// npm run s3: the artifact store in a bucket of a real S3 server, versitygw in the version of go.mod, built once from the Go module
// proxy into .solopo/s3. Without it these tests are skipped.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findGo } from '../bootstrap/chart-tools.mjs';
import { ROOT } from '../bootstrap/run.mjs';

const HERE = import.meta.dirname;
const HOME = join(ROOT, '.solopo', 's3');
const STAMP = join(HOME, 'stamp');
const TESTS = ['libs/artifacts', 'apps/e2e/src/s3.test.ts'];

/** What the built server was built from. */
function stamp() {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(HERE, name)));
  return hash.digest('hex');
}

function build() {
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp()) return;
  const go = findGo();
  if (go === undefined) throw new Error('Go was not found; install it (https://go.dev/dl), then run this again.');
  console.error('Building versitygw, once (go install)');
  const bin = join(HOME, 'bin');
  mkdirSync(bin, { recursive: true });
  const started = performance.now();
  const env = { ...process.env, GOBIN: bin, CGO_ENABLED: '0', GOFLAGS: '-trimpath -mod=readonly -buildvcs=false' };
  const { status, error } = spawnSync('nice', ['-n', '10', go, 'install', '-ldflags=-s -w', 'tool'], {
    cwd: HERE,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error('go install failed; its output above says why.');
  writeFileSync(STAMP, stamp());
  console.error(`It took ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

build();
const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', ...TESTS], { cwd: ROOT, stdio: 'inherit' });
process.exitCode = status ?? 1;
