// ./solopo test: the build, the lint and every test, summed up in the last line. With --torch: the torch engine's.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startVitest } from 'vitest/node';
import { summarize } from './summary.mjs';
import { torchChecks, TORCH_TESTS } from './test-torch.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
process.chdir(ROOT);

function check(name, program, args) {
  console.log(`${name} ...`);
  const passed =
    spawnSync(process.execPath, [join(ROOT, 'node_modules', program), ...args], { stdio: 'inherit' }).status === 0;
  console.log(`${name} ${passed ? 'passed' : 'FAILED'}`);
  return { name, state: passed ? 'passed' : 'failed' };
}

const given = process.argv.slice(2);
const isTorch = given.includes('--torch');
const checks = [check('build', 'typescript/bin/tsc', ['-b'])];
if (isTorch) checks.push(...torchChecks());
else checks.push(check('lint', 'eslint/bin/eslint.js', ['.']));

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

const summary = summarize([...checks, ...results, ...unhandled, ...none]);
for (const line of summary.lines) console.log(line);
process.exitCode = summary.failed === 0 ? 0 : 1;
