import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ran } from '../command-line/terminal.fixture.ts';

const DATA = join(import.meta.dirname, '../../../../data/models');
const check = (...args: string[]) => ran(['models', 'check', ...args]);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'solopo-check-'));
  cpSync(join(DATA, 'retrieval-144k'), folder, { recursive: true });
  rmSync(join(folder, 'model.safetensors'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('models check', () => {
  it('tells of the bundled model all that a newcomer asks, without a system', async () => {
    const { code, out } = await check(join(DATA, 'retrieval-144k'));
    expect(code).toBe(0);
    for (const title of ['Model', 'Files', 'Lengths', 'Sample text', 'Chat template', 'Verdict'])
      expect(out).toMatch(new RegExp(`^${title}$`, 'm'));
    expect(out).toMatch(/parameters +143,360\n/);
    expect(out).toMatch(/weights +F32: 143,360 numbers in 38 tensors\n/);
    expect(out).toMatch(/model\.safetensors +\d+ kB +read\n/);
    expect(out).toMatch(/README\.md +\d+ \w+ +not read: about the model\n/);
    expect(out).toMatch(/In transformers 5\.\d+\.\d+\n\n +AutoTokenizer makes a .*: the same ids as here\.\n/);
    expect(out).toMatch(/ok +end of turn +an answer ends with "<eos>" \(2\); generation ends at "<eos>" \(2\)\n/);
    expect(out).toMatch(/It can be registered: solopo models add .*retrieval-144k\n$/);
  });

  it('ends with 1 where it is refused, and tells why beside all that is known', async () => {
    const { code, out } = await check(folder);
    expect(code).toBe(1);
    expect(out).toMatch(/REFUSED: it cannot be registered\.\n +- the model folder has neither model\.safetensors/);
    expect(out).toMatch(/weights +none that can be read\n/);
    expect(out).toMatch(/^Sample text$/m);
    const parsed = JSON.parse((await check(folder, '--json')).out) as { faults: string[]; parameters: number };
    expect(parsed).toMatchObject({
      faults: [expect.stringContaining('neither model.safetensors')],
      parameters: 143_360,
    });
  });

  it('ends with 0 where PyTorch alone can have the model, and says so', async () => {
    const foreign = mkdtempSync(join(tmpdir(), 'solopo-check-'));
    cpSync(join(DATA, 'retrieval-144k'), foreign, { recursive: true });
    const config = JSON.parse(readFileSync(join(foreign, 'config.json'), 'utf8')) as object;
    writeFileSync(join(foreign, 'config.json'), JSON.stringify({ ...config, model_type: 'gpt_neox' }));
    const { code, out } = await check(foreign);
    const { engines } = JSON.parse((await check(foreign, '--json')).out) as { engines: string[] };
    rmSync(foreign, { recursive: true });
    expect([code, engines]).toEqual([0, ['torch']]);
    expect(out).toMatch(
      /It can be registered for runs with engine: torch alone, .*engine add torch.*\n +By onnxruntime it is refused:\n +- .*"gpt_neox" is not supported/,
    );
  });

  it('of nothing is a wrong command line', async () => {
    expect(await check('no-such-folder')).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not there') as string,
    });
  });

  it('tells warnings beside faults', async () => {
    const { code, out } = await check(join(DATA, 'smollm2-360m-instruct'), '--json');
    const { faults, warnings } = JSON.parse(out) as { faults: string[]; warnings: string[] };
    // Only its weights are not here.
    expect([code, faults.length]).toEqual([1, 1]);
    expect(warnings).toEqual([expect.stringContaining('makes a GPT2Tokenizer')]);
  });
});
