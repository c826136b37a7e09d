import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ran } from '../command-line/terminal.fixture.ts';

const { out: script } = await ran(['completion', 'bash']);

/** What a real bash offers for the last word. */
function completed(...words: string[]): string[] {
  const program = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _solopo; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync('bash', ['-c', program, 'bash', 'solopo', ...words], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  return stdout.split('\n').filter(Boolean);
}

describe('completion in bash', () => {
  it.each([
    [['ru'], ['runs']],
    [
      ['runs', 'c'],
      ['create', 'cancel'],
    ],
    [['runs', 'create', '--wa'], ['--watch']],
    [
      ['pairs', 'export', 'RUN', '--format', ''],
      ['trl', 'trl-tokens', 'trl-conversational', 'llama-factory'],
    ],
    [['pairs', 'export', 'RUN', '--split', 'h'], ['held-out']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish', '--json', '-h', '--help'],
    ],
    [['runs', 'create', '-f', ''], []],
    [['models', 'add', ''], []],
  ])('of %j', (words, offered) => {
    expect(completed(...words).sort()).toEqual([...offered].sort());
  });
});

describe('completion in other shells', () => {
  it.each(['zsh', 'fish'])('%s names every command', async (shell) => {
    const { out } = await ran(['completion', shell]);
    for (const word of ['models', 'import', 'llama2c', 'held-out', 'revoke', 'max-new-tokens'])
      expect(out).toContain(word);
  });
});
