// ./solopo test: the build, the lint and every test, summed up in the last line. With --torch: the torch engine's.
import { spawn, spawnSync } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';
import { summarize } from './summary.mjs';
import { torchChecks, TORCH_TESTS } from './test-torch.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
process.chdir(ROOT);

function node(program, args) {
  return spawnSync(process.execPath, [join(ROOT, 'node_modules', program), ...args], { stdio: 'inherit' }).status === 0;
}

function checked(name, passed) {
  console.log(`${name} ${passed ? 'passed' : 'FAILED'}`);
  return { name, state: passed ? 'passed' : 'failed' };
}

/** In the time that the build and the tests leave, which wait for servers and for each other. What it says comes at the end. */
async function lint() {
  const eslint = spawn(process.execPath, [join(ROOT, 'node_modules/eslint/bin/eslint.js'), '.'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  setPriority(eslint.pid, constants.priority.PRIORITY_LOW);
  const said = eslint.stdout.setEncoding('utf8').toArray();
  const status = await new Promise((resolve) => eslint.once('close', resolve));
  return { passed: status === 0, said: (await said).join('') };
}

const given = process.argv.slice(2);
const isTorch = given.includes('--torch');
const linting = isTorch ? undefined : lint();
console.log('build ...');
const checks = [checked('build', node('typescript/bin/tsc', ['-b']))];
if (isTorch) checks.push(...torchChecks());

const vitest = await startVitest('test', isTorch ? TORCH_TESTS : given, { watch: false });
const results = vitest.state.getTestModules().flatMap((module) => {
  const tests = [...module.children.allTests()].map((test) => ({ name: test.fullName, ...test.result() }));
  // A file that cannot be loaded, or whose hooks fail, may have no test that says so.
  const silent = !module.ok() && tests.every(({ state }) => state === 'passed');
  return silent ? [...tests, { name: module.relativeModuleId, state: 'failed' }] : tests;
});
const unhandled = vitest.state.getUnhandledErrors().map(({ message }) => ({ name: message, state: 'failed' }));
const none = results.length === 0 ? [{ name: 'no test ran', state: 'failed' }] : [];
await vitest.close();

if (linting !== undefined) {
  const { passed, said } = await linting;
  process.stdout.write(said);
  checks.push(checked('lint', passed));
}

const summary = summarize([...checks, ...results, ...unhandled, ...none]);
for (const line of summary.lines) console.log(line);
process.exitCode = summary.failed === 0 ? 0 : 1;
