import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';

/** A clone in which nothing is installed, but for what a test puts there. */
let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'solopo-help-'));
  for (const path of ['solopo', 'tools/bootstrap.mjs', 'tools/bootstrap', 'tools/help'])
    cpSync(join(ROOT, path), join(clone, path), { recursive: true });
});
afterEach(() => rmSync(clone, { recursive: true }));

function solopo(args: readonly string[], path: string) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', [join(clone, 'solopo'), ...args], {
    encoding: 'utf8',
    env: { PATH: path },
  });
  return { status, stdout, stderr };
}

const page = (name: string): string => readFileSync(join(ROOT, 'tools', 'help', `${name}.txt`), 'utf8');

describe('what a command takes', () => {
  /** cat, dirname and readlink; in a folder of their own where a Node may be near. */
  function withoutNode(): string {
    const bin = join(clone, 'bin');
    mkdirSync(bin);
    for (const program of ['cat', 'dirname', 'readlink'])
      writeFileSync(join(bin, program), `#!/bin/sh\nPATH=/usr/bin:/bin exec ${program} "$@"\n`, { mode: 0o755 });
    return bin;
  }

  it('is told by a clone without Node, dependencies and build', () => {
    const bin = withoutNode();
    for (const [command, args] of [
      ['up', ['up', '--help']],
      ['up', ['up', '--port', '8080', '-h']],
      ['down', ['down', '--help']],
      ['demo', ['demo', '--quick', '--help']],
      ['demo', ['help', 'demo']],
      ['engine', ['engine', 'add', 'torch', '--help']],
      ['test', ['test', 'libs/lm', '--help']],
      ['help', ['help']],
      ['help', ['help', '--help']],
      ['help', []],
    ] as const)
      expect([args, solopo(args, bin)]).toEqual([args, { status: 0, stdout: page(command), stderr: '' }]);
    expect(solopo(['pretrain', '--help'], bin)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Node.js was not found') as string,
    });
  });

  it.each(['up', 'down', 'demo', 'engine', 'test'])('begins with its usage and ends with examples: %s', (command) => {
    expect(page(command)).toMatch(
      new RegExp(`^Usage: \\./solopo ${command} [^]*\\nExamples:\\n {2}\\./solopo ${command}`),
    );
    expect(page('help')).toContain(`  ./solopo ${command} `);
  });

  it.each([
    [['pretrain', '--help']],
    [
      ['help', 'pretrain'],
      ['pretrain', '--help'],
    ],
    [['--help']],
    [['runs', 'list', '-h']],
  ])("is told of the client's by the build that is there: %j", (args, handed = args) => {
    const write = (path: string, content: string) => {
      mkdirSync(join(clone, path, '..'), { recursive: true });
      writeFileSync(join(clone, path), content);
    };
    write('package.json', '{"type":"module"}');
    write('package-lock.json', '{"packages":{}}');
    write('node_modules/.package-lock.json', '{"packages":{}}');
    write('node_modules/typescript/bin/tsc', "throw new Error('a build was not needed');");
    write('apps/cli/dist/main.js', 'console.log(JSON.stringify(process.argv.slice(2)));');
    const { status, stdout, stderr } = solopo(args, `${join(process.execPath, '..')}:/usr/bin:/bin`);
    expect([status, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual(handed);
  });
});
