// helm, helm-unittest and kubeconform, in the versions of go.mod, built from the Go module proxy into .solopo/chart-tools.
// Runs before anything is installed, so it imports nothing but Node.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT, run } from './run.mjs';

export const HOME = join(ROOT, '.solopo', 'chart-tools');
const STAMP = join(HOME, 'stamp');
const MODULE = join(ROOT, 'tools', 'chart');

/** Where Go's own installer and packages put it, when PATH does not say. */
const FOLDERS = ['/usr/local/go/bin', '/usr/lib/go/bin', '/opt/homebrew/bin', '/usr/local/bin'];

/** Without these, helm takes the cluster for 1.20 where there is none. The version is client-go's in go.mod. */
const LDFLAGS = ['Major=1', 'Minor=36'].map((set) => `-X helm.sh/helm/v3/pkg/chartutil.k8sVersion${set}`).join(' ');

export function findGo() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...FOLDERS];
  return folders.map((folder) => join(folder, 'go')).find((file) => file !== 'go' && existsSync(file));
}

/** What the built programs were built from. */
function stamp() {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum']) hash.update(readFileSync(join(MODULE, name)));
  return hash.digest('hex');
}

/** Why the tools are not there; undefined when they are. */
export function whyNoTools() {
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp()) return undefined;
  if (findGo() === undefined) return 'Go was not found; install it (https://go.dev/dl) to check the chart';
  return 'helm, helm-unittest and kubeconform are not built; run node tools/bootstrap/chart-tools.mjs';
}

/** Builds them when they are missing or stale. True when they are there. */
export function installChartTools() {
  if (whyNoTools() === undefined) return true;
  const go = findGo();
  if (go === undefined) return false;
  console.error('Building helm, helm-unittest and kubeconform, once (go install)');
  const staging = `${HOME}.${process.pid}`;
  const env = {
    ...process.env,
    GOBIN: join(staging, 'bin'),
    GOPATH: join(staging, 'path'),
    GOCACHE: join(staging, 'cache'),
    GOFLAGS: '-trimpath -mod=readonly -modcacherw -buildvcs=false',
    CGO_ENABLED: '0',
  };
  mkdirSync(staging, { recursive: true });
  try {
    const { status, output } = run(go, ['install', `-ldflags=-s -w ${LDFLAGS}`, 'tool'], { cwd: MODULE, env });
    if (status !== 0) {
      console.error(`The chart cannot be checked: go install failed.\n${output}`);
      return false;
    }
    writeFileSync(join(staging, 'stamp'), stamp());
    for (const name of ['path', 'cache']) rmSync(join(staging, name), { recursive: true, force: true });
    rmSync(HOME, { recursive: true, force: true });
    renameSync(staging, HOME);
    return true;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

if (import.meta.main ?? process.argv[1] === import.meta.filename) process.exitCode = installChartTools() ? 0 : 1;
