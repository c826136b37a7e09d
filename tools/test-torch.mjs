// The torch engine's own checks: ruff, mypy and pytest, in the environment that `./solopo engine add torch` makes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './bootstrap/run.mjs';
import { torchPython } from './torch-python.mjs';

const PACKAGE = join(ROOT, 'engines/torch');
const GPU_STEPS = join(ROOT, 'tools/gpu/torch_steps.py');
const TOOLS = join(ROOT, '.solopo/engines/torch-tools');

/** Tests of the workspace that run the engine where there is one, and are skipped in the others' run where there is none. */
export const TORCH_TESTS = [
  'libs/engine/src/conformance.test.ts',
  'apps/e2e/src/torch.test.ts',
  'apps/e2e/src/ranks.test.ts',
  'tools/gpu-torch.test.ts',
];

/** @returns {{ name: string, state: string, note?: string }[]} */
export function torchChecks() {
  if (torchPython() === undefined) {
    const added = [process.execPath, [join(ROOT, 'apps/launcher/dist/main.js'), 'engine', 'add', 'torch']];
    if (!ran('engine add torch', ...added)) return [{ name: 'engine add torch', state: 'failed' }];
  }
  const python = torchPython();
  // Where the workspace's tests look for it.
  process.env.SOLOPO_TORCH_PYTHON = python;
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', TOOLS, '--upgrade'];
  if (!ran('tools of the torch tests', python, [...pip, ...tools()]))
    return [{ name: 'tools of the torch tests', state: 'failed' }];
  const scratch = mkdtempSync(join(tmpdir(), 'solopo-pytest-'));
  try {
    const report = join(scratch, 'report.xml');
    const checks = [
      ['ruff', ['check', '--config', 'pyproject.toml', 'solopo_torch', 'tests', GPU_STEPS]],
      ['mypy', ['solopo_torch']],
    ].map(([name, args]) => ({ name, state: ran(name, python, ['-m', name, ...args]) ? 'passed' : 'failed' }));
    const passed = ran('pytest', python, ['-m', 'pytest', '--quiet', '-p', 'no:cacheprovider', `--junitxml=${report}`]);
    const tests = testsOf(report);
    const silent = !passed && tests.every(({ state }) => state !== 'failed');
    return [...checks, ...tests, ...(silent || tests.length === 0 ? [{ name: 'pytest', state: 'failed' }] : [])];
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Pinned, as pyproject.toml has them. */
function tools() {
  const dev = /^dev = \[(.*)\]$/m.exec(readFileSync(join(PACKAGE, 'pyproject.toml'), 'utf8'));
  return [...dev[1].matchAll(/"([^"]+)"/g)].map(([, requirement]) => requirement);
}

/** What pytest's JUnit report says of each test. */
function testsOf(report) {
  let xml;
  try {
    xml = readFileSync(report, 'utf8');
  } catch {
    return [];
  }
  return [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([^]*?)<\/testcase>)/g)].map(([, attributes, body = '']) => {
    const of = (text, name) => new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(text)?.[1];
    const name = `${of(attributes, 'classname')} ${of(attributes, 'name')}`;
    if (/<(failure|error)\b/.test(body)) return { name, state: 'failed' };
    const skipped = /<skipped\b([^>]*)>/.exec(body);
    return skipped ? { name, state: 'skipped', note: of(skipped[1], 'message') } : { name, state: 'passed' };
  });
}

function ran(name, program, args) {
  console.log(`${name} ...`);
  const { status } = spawnSync(program, args, {
    cwd: PACKAGE,
    stdio: 'inherit',
    env: {
      ...process.env,
      PYTHONPATH: [PACKAGE, TOOLS, process.env.PYTHONPATH].filter(Boolean).join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
      HF_HUB_OFFLINE: '1',
    },
  });
  console.log(`${name} ${status === 0 ? 'passed' : 'FAILED'}`);
  return status === 0;
}
