import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_TORCH, torchPython } from '@solopo/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';

/** For machines that are busy; alone it is seconds. */
const MINUTES = 20;

interface Figure {
  readonly precision: string;
  readonly measure: string;
  readonly by: string;
  readonly loss: number;
  readonly gradNorm: number;
  readonly seconds: number;
  readonly timesAsFastAsPlain: number;
  readonly bitEqual: boolean;
}

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'solopo-gpu-torch-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

function measured(...args: string[]) {
  const json = join(scratch, 'figures.json');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'tools/gpu/main.mjs'), 'torch', '--quick', '--minutes', `${MINUTES}`, '--json', json, ...args],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr, written: JSON.parse(readFileSync(json, 'utf8')) };
}

describe('npm run gpu -- torch', { timeout: MINUTES * 60_000 }, () => {
  beforeEach((context) => {
    if (torchPython() === undefined) context.skip(NO_TORCH);
  });

  it('measures every figure of a tiny shape on a processor, after losses are those of plain PyTorch', () => {
    const { status, stderr, written } = measured('--device', 'cpu');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(written.device.kind).toBe('cpu');
    expect(Object.keys(written.versions)).toEqual(expect.arrayContaining(['python', 'torch', 'transformers', 'peft']));
    for (const precision of ['bfloat16', 'float32']) {
      const figures = (written.figures as Figure[]).filter((figure) => figure.precision === precision);
      expect(figures.filter((figure) => 'error' in figure)).toEqual([]);
      const of = (measure: string, by: string) =>
        figures.filter((figure) => figure.measure === measure && figure.by === by);
      const plain = of('step', 'plain PyTorch')[0]!;
      const own = of('step', 'engine');
      expect(own).toHaveLength(4);
      for (const step of own) {
        expect(step.loss).toBeCloseTo(plain.loss, precision === 'float32' ? 4 : 1);
        expect(step.seconds * step.timesAsFastAsPlain).toBeCloseTo(plain.seconds);
      }
      // The gradient of the whole long row is plain PyTorch's; a tail's is less.
      expect(own[0]!.gradNorm / plain.gradNorm).toBeCloseTo(1, precision === 'float32' ? 3 : 1);
      expect(own[2]!.gradNorm).toBeLessThan(own[0]!.gradNorm);
      expect(of('determinism', 'engine').map(({ bitEqual }) => bitEqual)).toEqual([true, true]);
      expect(of('sample', 'engine')).toHaveLength(1);
    }
  });

  it.skipIf(existsSync('/dev/nvidiactl'))('says that there is no CUDA device, in the file too', () => {
    const { status, stdout, written } = measured();
    expect(status).toBe(3);
    expect(stdout).toMatch(/^no CUDA device: PyTorch finds no GPU that it can use: install/);
    expect(written).toMatchObject({ asked: 'cuda', device: null, figures: [] });
    expect(written.missing).toContain('install');
  });
});
