// etcd and kube-apiserver in the versions of go.mod, built from the Go module proxy into .solopo/apiserver. The first build
// takes minutes of processor time: it runs at the lowest priority, and goes on where it was when it was interrupted.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findGo } from '../bootstrap/chart-tools.mjs';
import { ROOT } from '../bootstrap/run.mjs';

const HERE = import.meta.dirname;
const HOME = join(ROOT, '.solopo', 'apiserver');
const BIN = join(HOME, 'bin');
const STAMP = join(HOME, 'stamp');

export const KUBERNETES = /k8s\.io\/kubernetes v(\S+)/.exec(readFileSync(join(HERE, 'go.mod'), 'utf8'))[1];
export const PROGRAMS = { etcd: join(BIN, 'etcd'), apiserver: join(BIN, 'kube-apiserver') };

/** Builds them when they are missing or stale; the seconds that it took, or null where there was nothing to build. */
export function build() {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(HERE, name)));
  const stamp = hash.digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp) return null;
  const go = findGo();
  if (go === undefined) throw new Error('Go was not found; install it (https://go.dev/dl), then run this again.');
  console.error(`Building etcd and kube-apiserver ${KUBERNETES}, once (go install); this takes long`);
  const [major, minor] = KUBERNETES.split('.');
  const version = { gitVersion: `v${KUBERNETES}`, gitMajor: major, gitMinor: minor };
  const set = Object.entries(version).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  const started = performance.now();
  mkdirSync(BIN, { recursive: true });
  const env = {
    ...process.env,
    GOBIN: BIN,
    CGO_ENABLED: '0',
    GOFLAGS: `${process.env.GOFLAGS ?? ''} -trimpath -mod=readonly -buildvcs=false`.trim(),
  };
  const args = ['-n', '19', go, 'install', `-ldflags=-s -w ${set.join(' ')}`, 'tool'];
  const { status, error } = spawnSync('nice', args, { cwd: HERE, env, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  if (status !== 0) throw new Error('go install failed; its output above says why.');
  // The module's last word is what Go names it by.
  renameSync(join(BIN, 'server'), PROGRAMS.etcd);
  writeFileSync(STAMP, stamp);
  return (performance.now() - started) / 1000;
}
