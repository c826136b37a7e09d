import { resolve } from 'node:path';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OWN, parseOptions } from './options.ts';
import { down } from './commands/down.command.ts';
import { ADD } from './commands/engine.command.ts';

describe('the launcher options', () => {
  it('are taken out, and the rest goes on untouched', () => {
    const options = parseOptions([
      '--quick',
      '--data',
      'd',
      '--seed',
      '7',
      '--port=8080',
      'x',
      '--device',
      'webgpu',
      '--keep',
      '--json',
      'out.json',
    ]);
    expect(options).toMatchObject({
      data: resolve('d'),
      port: 8080,
      keep: true,
      verbose: false,
      threads: 1,
      device: 'webgpu',
    });
    expect(options.rest).toEqual(['--quick', '--seed', '7', 'x', '--json', 'out.json']);
  });

  it('have ranks on this machine', () => {
    expect(parseOptions([]).layout).toEqual({ ranks: 1, nodes: 1, sequenceRanks: 1 });
    const { layout, rest } = parseOptions(['--ranks', '4', '--sequence-ranks=2', '--quick']);
    expect([layout, rest]).toEqual([{ ranks: 4, nodes: 1, sequenceRanks: 2 }, ['--quick']]);
    expect(() => parseOptions(['--ranks', '4', '--sequence-ranks', '3'])).toThrow(
      '--sequence-ranks wants a number that divides --ranks (4): 1, 2 or 4; write one of these after it, or leave it out.',
    );
  });

  it.each([
    [['--port', 'http']],
    [['--port', '70000']],
    [['--threads', '0']],
    [['--device', 'tpu']],
    [['--ranks', '0']],
    [['--data']],
  ])('are refused when wrong: %s', (args) => {
    expect(() => parseOptions(args)).toThrow(new RegExp(`^${args[0]} wants`));
  });

  it.each([
    ['demo', Object.keys(OWN)],
    ['up', ['data', 'port', 'threads', 'device', 'ranks', 'sequence-ranks']],
    ['down', ['data']],
    ['engine', ['data', ...Object.keys(ADD)]],
  ])('of %s are in its help', (command, options) => {
    const help = readFileSync(new URL(`../../../tools/help/${command}.txt`, import.meta.url), 'utf8');
    for (const option of options) expect(help).toContain(`  --${option} `);
  });

  it('of down that nobody knows stop nothing', async () => {
    await expect(down(parseOptions(['--date', 'd']))).rejects.toThrow(
      'down does not know --date d; ./solopo down --help lists its options.',
    );
  });
});
