import { describe, expect, it } from 'vitest';
import { parseOptions } from './options.ts';

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
    expect(options).toMatchObject({ data: 'd', port: 8080, keep: true, verbose: false, threads: 1, device: 'webgpu' });
    expect(options.rest).toEqual(['--quick', '--seed', '7', 'x', '--json', 'out.json']);
  });

  it.each([[['--port', 'http']], [['--port', '70000']], [['--threads', '0']], [['--device', 'tpu']], [['--data']]])(
    'are refused when wrong: %s',
    (args) => {
      expect(() => parseOptions(args)).toThrow(new RegExp(`^${args[0]} wants`));
    },
  );
});
