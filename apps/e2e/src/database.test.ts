import type { RunView, StageKind } from '@solopo/contracts';
import { waitFor, whyNoPgBouncer } from '@solopo/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMPARED_RUN, WORKERS } from './compared-run.ts';
import { prepareRetrieval } from './retrieval-run.ts';
import { System } from './system.ts';

const LIMIT_MS = 1500;
const isPooled = whyNoPgBouncer() === undefined;

// The processes of Postgres are found by Linux's /proc.
describe.skipIf(process.platform !== 'linux')(
  `a Postgres that freezes, ${isPooled ? 'behind PgBouncer' : 'itself'}`,
  () => {
    let system: System;
    beforeAll(async () => {
      system = await System.start(
        { SOLOPO_DATABASE_LIMIT_MS: String(LIMIT_MS), SOLOPO_LOG_LEVEL: 'info' },
        { isPooled },
      );
      await prepareRetrieval(system, 250);
    }, 180_000);
    afterAll(() => system.close());

    test('the API says 503 while it is frozen, and the workers go on by themselves, to the same parameters', async () => {
      system.startWorkers(...WORKERS);
      const pids = WORKERS.map((worker) => system.pid(worker));
      const { id } = await system.createRun(COMPARED_RUN);
      await freezeDuring(id, 'sample');
      await freezeDuring(id, 'train');
      const frozen = await system.finished(id, 150_000);
      const calm = await system.finished((await system.createRun(COMPARED_RUN)).id);

      for (const run of [frozen, calm]) expect([run.state, run.error]).toEqual(['succeeded', null]);
      const proof = ({ chainHead, policyDigest, policyTokens, pairs }: RunView) => ({
        chainHead,
        policyDigest,
        policyTokens,
        pairs,
      });
      expect(proof(frozen)).toEqual(proof(calm));
      expect(WORKERS.map((worker) => system.pid(worker))).toEqual(pids);
      const { body } = await system.api.get(`/v1/runs/${id}/verify`).expect(200);
      expect(body).toMatchObject({ ok: true });
      if (isPooled) expect(system.output.join('')).toContain('A pooler is between this program and Postgres');
    }, 300_000);

    async function freezeDuring(run: string, kind: StageKind): Promise<void> {
      await waitFor(
        `the ${kind} stage is under way`,
        async () =>
          (await system.ledger.runs.view(run)).stages.some((stage) => stage.kind === kind && stage.state === 'running'),
        90_000,
      );
      system.postgres.freeze();
      try {
        const { status, headers } = await system.api.get('/v1/runs');
        expect([status, headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)]);
        await system.api.get('/healthz').expect(200);
        await system.api.get('/readyz').expect(503);
      } finally {
        system.postgres.thaw();
      }
    }
  },
);
