import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fail, ROOT, run } from './run.mjs';

/** `npm ci` when what is installed is not what the lock file says. */
export function installDependencies() {
  if (isInstalled(read('package-lock.json'), read('node_modules/.package-lock.json'))) return;
  console.error('Installing dependencies (npm ci)');
  const { status, output } = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    env: npmEnvironment(),
  });
  if (status !== 0) fail(`npm ci failed; mend what it says, then run this again.\n${output}`);
}

/**
 * npm leaves a copy of the lock, of what it really installed, when it has finished. Packages for other platforms are
 * optional and may be absent.
 */
export function isInstalled(lock, installed) {
  if (installed === undefined) return false;
  return Object.entries(lock.packages).every(([path, { version, optional }]) => {
    if (path === '' || (!path.startsWith('node_modules/') && !path.includes('/node_modules/'))) return true;
    const present = installed.packages[path];
    return present === undefined ? optional === true : present.version === version;
  });
}

function read(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** npm on the chosen Node; on the system's own where the distribution's npm runs on no other. */
function npmEnvironment() {
  // The runtime's install script would download CUDA libraries, which nothing here uses.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_update_notifier: 'false' };
  if (run('npm', ['--version'], { env }).status === 0) return env;
  const chosen = dirname(process.execPath);
  const PATH = env.PATH.split(delimiter)
    .filter((folder) => folder !== chosen)
    .join(delimiter);
  const system = { ...env, PATH };
  const { status, output } = run('npm', ['--version'], { env: system });
  if (status !== 0)
    fail(`npm does not run (${output}). Install it (apt-get install npm, brew install node), then run this again.`);
  return system;
}
