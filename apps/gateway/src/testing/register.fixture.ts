import type { DatasetView, ModelView } from '@solopo/contracts';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import request, { type Response } from 'supertest';
import { tinyModel, type ModelFiles } from './tiny-model.fixture.ts';

export async function storeArtifact(url: string, content: string | Buffer): Promise<string> {
  const bytes = Buffer.from(content);
  const { body } = await request(url).post('/v1/artifacts').type('application/octet-stream').send(bytes).expect(201);
  return (body as { digest: string }).digest;
}

export async function registerModel(url: string, name: string, files: ModelFiles): Promise<Response> {
  const digests: Record<string, string> = {};
  for (const [file, content] of Object.entries(files)) digests[file] = await storeArtifact(url, content);
  return request(url).post('/v1/models').send({ name, files: digests });
}

export function importLines(url: string, query: Record<string, string>, lines: string): request.Test {
  return request(url).post('/v1/datasets').query(query).type('application/x-ndjson').send(lines);
}

export interface Registered {
  readonly model: ModelView;
  readonly dataset: DatasetView;
}

/** A model called `tiny` and a data set called `questions`. */
export async function registerInputs(url: string, count = 12): Promise<Registered> {
  const model = (await registerModel(url, 'tiny', tinyModel())).body as ModelView;
  const lines = [...retrievalExamples({ seed: 1, count, documents: 8 })].map(exampleLine).join('');
  const dataset = (await importLines(url, { name: 'questions' }, lines).expect(201)).body as DatasetView;
  return { model, dataset };
}
