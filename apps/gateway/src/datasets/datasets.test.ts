import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, type DatasetView } from '@solopo/contracts';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { useGateway } from '../testing/gateway.fixture.ts';
import { importLines } from '../testing/register.fixture.ts';

const gateway = useGateway({ datasetMaxBytes: 2_000_000 });
const MUSIQUE = join(import.meta.dirname, '../../../../data/musique/musique_ans_dev_40.jsonl');
const examples = [...retrievalExamples({ seed: 3, count: 5, documents: 4 })];
const lines = examples.map(exampleLine);

describe('a data set', () => {
  it('with malformed lines is imported without them, and they are reported by number and reason', async () => {
    const [first = '', second = '', ...rest] = lines;
    const noAnswer = JSON.stringify({ ...examples[0], id: 'x', answers: [] });
    const nul = JSON.stringify({ ...examples[0], id: 'x\0' });
    const body = [first.trim(), '{"id": ', second.trim(), noAnswer, nul, '', rest.join('')].join('\n');
    const { body: dataset } = (await importLines(gateway.url, { name: 'questions' }, body).expect(201)) as {
      body: DatasetView;
    };
    expect(dataset).toMatchObject({ name: 'questions', format: 'solopo', examples: 5, rejectedCount: 3 });
    expect(dataset.rejected.map(({ line }) => line)).toEqual([2, 4, 5]);
    expect(dataset.rejected.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^not JSON/),
      expect.stringMatching(/^answers: /),
      'id: must be text without NUL characters and lone surrogates',
    ]);
    const kept = await gateway.ledger.datasets.examples(dataset.digest, { from: 0, to: 10 });
    expect(kept.map(({ content }) => content)).toEqual(examples);

    for (const reference of ['questions', dataset.digest]) {
      const shown = await request(gateway.url).get(`/v1/datasets/${reference}`).expect(200);
      expect(shown.body).toEqual(dataset);
    }
  });

  it('as one JSON array is the same data set; one that breaks off is refused', async () => {
    const array = JSON.stringify(examples);
    const first = (await importLines(gateway.url, { name: 'array' }, array).expect(201)).body as DatasetView;
    expect(first).toMatchObject({ digest: digestOf(examples.map(digestOf)), examples: 5, rejectedCount: 0 });
    const { body } = await importLines(gateway.url, { name: 'broken' }, array.slice(0, -9)).expect(422);
    expect(body).toMatchObject({ code: 'dataset-invalid', detail: expect.stringContaining('JSON array') as string });
    expect(await gateway.ledger.datasets.find('broken')).toBeNull();
    expect(await readdir(join(gateway.config.artifacts, 'partial'))).toEqual([]);
  });

  it('is known by its examples: the same again changes nothing', async () => {
    const first = (await importLines(gateway.url, { name: 'same' }, lines.join('')).expect(201)).body as DatasetView;
    expect(first.digest).toBe(digestOf(examples.map(digestOf)));
    const again = await importLines(gateway.url, { name: 'same' }, lines.join('')).expect(201);
    expect(again.body).toEqual(first);
    const list = (await request(gateway.url).get('/v1/datasets').expect(200)).body as DatasetView[];
    expect(list.filter(({ name }) => name === 'same')).toEqual([first]);
  });

  it('of real MuSiQue records has the digest of the same examples in the own format', async () => {
    const response = await fetch(`${gateway.url}/v1/datasets?name=musique&format=musique`, {
      method: 'POST',
      body: ReadableStream.from(createReadStream(MUSIQUE)),
      duplex: 'half',
    });
    const dataset = (await response.json()) as DatasetView;
    expect(dataset).toMatchObject({ format: 'musique', examples: 40, rejectedCount: 0, rejected: [] });
    const kept = await gateway.ledger.datasets.examples(dataset.digest, { from: 0, to: 100 });
    const own = await importLines(
      gateway.url,
      { name: 'own' },
      kept.map(({ content }) => exampleLine(content)).join(''),
    ).expect(201);
    expect(own.body).toMatchObject({ digest: dataset.digest, format: 'solopo' });
  });

  it('without a single example is refused', async () => {
    const { body } = await importLines(gateway.url, { name: 'none' }, 'one\ntwo\n').expect(422);
    expect(body).toMatchObject({
      code: 'dataset-invalid',
      rejectedCount: 2,
      detail: expect.stringContaining('line 1: not JSON') as string,
    });
    const empty = await importLines(gateway.url, { name: 'none' }, '').expect(422);
    expect(empty.body).toMatchObject({ code: 'dataset-invalid' });
    expect(await gateway.ledger.datasets.find('none')).toBeNull();
  });

  it('keeps the first hundred rejections and counts the rest', async () => {
    const { body } = await importLines(gateway.url, { name: 'rubbish' }, 'no\n'.repeat(150) + lines.join('')).expect(
      201,
    );
    const dataset = body as DatasetView;
    expect(dataset.rejectedCount).toBe(150);
    expect(dataset.rejected).toHaveLength(100);
  });

  it('that is too large or asked for wrongly is refused', async () => {
    await importLines(gateway.url, { name: 'huge' }, 'x'.repeat(2_000_001)).expect(413);
    const { body } = await importLines(gateway.url, { name: '', format: 'csv', colour: 'red' }, lines.join('')).expect(
      400,
    );
    expect((body as { errors: { path: string }[] }).errors.map(({ path }) => path)).toEqual([
      'name',
      'format',
      'colour',
    ]);
    const { body: missing } = await request(gateway.url).get('/v1/datasets/nobody').expect(404);
    expect(missing).toMatchObject({ code: 'not-found' });
  });
});
