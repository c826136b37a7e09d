import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOLERANCE } from '@solopo/sampling-server';
import { describe, expect, it } from 'vitest';
import { ROOT } from './bootstrap/run.mjs';
import { vllmHome } from './served/vllm.mjs';

const MINUTES = 15;

interface Refusal {
  readonly what: string;
  readonly loaded: boolean;
  readonly share: number | null;
  readonly refused: string | null;
}

describe('npm run served', { timeout: MINUTES * 60_000 }, () => {
  it('a policy that vLLM serves as a LoRA adapter has the log-probabilities of this engine; a damaged one is refused', (context) => {
    const model = process.env.SOLOPO_SERVED_MODEL;
    if (vllmHome() === undefined || model === undefined)
      return context.skip(
        'no vLLM or no model: run tools/peers/vllm/setup or set SOLOPO_VLLM, and set SOLOPO_SERVED_MODEL to a model folder',
      );
    const scratch = mkdtempSync(join(tmpdir(), 'solopo-served-test-'));
    try {
      const json = join(scratch, 'served.json');
      const { status, stderr } = spawnSync(
        process.execPath,
        [join(ROOT, 'tools/served/main.mjs'), '--model', model, '--json', json],
        { encoding: 'utf8' },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const report = JSON.parse(readFileSync(json, 'utf8'));
      expect(report).toMatchObject({ agreed: true, refusal: null, software: expect.stringMatching(/^vllm /) });
      expect(report.tokens).toBeGreaterThan(100);
      expect(report.baseDistance).toBeLessThan(TOLERANCE);
      expect(Math.abs(report.share - 1)).toBeLessThan(0.2);
      const refusals = report.refusals as Refusal[];
      expect(refusals.map(({ what }) => what)).toEqual([
        'modules by other names',
        'attention alone',
        'twice the scale',
      ]);
      for (const { what, refused } of refusals)
        expect(refused, what).toContain(
          what === 'modules by other names' ? 'as for its base model' : 'otherwise than it was trained',
        );
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});
