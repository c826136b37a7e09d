// The whole system as processes of its own, with a finished run in it, and what is there to be asked for.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exampleLine, retrievalExamples } from '@solopo/corpus';
import { System } from '../../apps/e2e/dist/system.js';
import { finishRun } from '../../apps/gateway/dist/testing/finish-run.fixture.js';
import { tinyModel } from '../../apps/gateway/dist/testing/tiny-model.fixture.js';

const RUN = {
  name: 'a run',
  model: 'tiny',
  dataset: 'questions',
  contexts: { long: { documents: 4 } },
  sampling: { samplesPerContext: 2 },
  pairing: { heldOutPairs: 2 },
  training: { pairsPerStep: 2, stepsPerSlice: 2 },
  evaluation: { dataset: 'questions', documents: [2] },
};

export class FuzzedSystem {
  /** Around the system's folders: what it writes elsewhere is seen. */
  #around;

  static async start() {
    const fuzzed = new FuzzedSystem();
    fuzzed.folder = mkdtempSync(join(tmpdir(), 'solopo-fuzz-'));
    const artifacts = join(fuzzed.folder, 'inner', 'data');
    const temporary = join(fuzzed.folder, 'inner', 'tmp');
    await mkdir(artifacts, { recursive: true });
    await mkdir(temporary);
    fuzzed.system = await System.start({ SOLOPO_ARTIFACTS: artifacts, TMPDIR: temporary });
    fuzzed.url = `http://127.0.0.1:${fuzzed.system.gatewayPort}`;
    await fuzzed.#fill(artifacts);
    fuzzed.#around = fuzzed.#elsewhere();
    return fuzzed;
  }

  async #fill(artifacts) {
    const files = {};
    for (const [name, content] of Object.entries(tinyModel()))
      files[name] = (await this.#post('/v1/artifacts', Buffer.from(content), 'application/octet-stream')).digest;
    const model = await this.#post('/v1/models', JSON.stringify({ name: 'tiny', files }));
    const lines = [...retrievalExamples({ seed: 1, count: 12, documents: 6 })].map(exampleLine).join('');
    const dataset = await this.#post('/v1/datasets?name=questions', lines, 'application/x-ndjson');
    const run = await this.#post('/v1/runs', JSON.stringify(RUN));
    await finishRun({ ledger: this.system.ledger, config: { artifacts } }, run.id);
    await this.system.ledger.deadLetters.add({
      subject: 'jobs.x',
      job: null,
      reason: 'No.',
      code: 'internal',
      attempts: 1,
    });
    const [letter] = await this.system.ledger.deadLetters.list(1);
    const pairs = await (await fetch(`${this.url}/v1/runs/${run.id}/pairs`)).json();
    const view = await (await fetch(`${this.url}/v1/runs/${run.id}`)).json();
    this.files = files;
    this.run = run.id;
    this.stages = view.stages.map(({ digest }) => digest);
    /** Ids, names and digests that are there. */
    this.known = [
      run.id,
      model.digest,
      'tiny',
      dataset.digest,
      'questions',
      String(letter.id),
      ...Object.values(files),
    ];
    this.known.push(...pairs.slice(0, 2).map(({ digest }) => digest), ...this.stages.slice(0, 3));
  }

  async #post(path, body, type = 'application/json') {
    const response = await fetch(this.url + path, { method: 'POST', body, headers: { 'content-type': type } });
    if (response.status !== 201) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  isAlive(service) {
    const pid = this.system.pid(service);
    if (pid === undefined) return false;
    try {
      process.kill(pid, 0);
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z';
    } catch {
      return false;
    }
  }

  rssBytes(service) {
    const [, kilobytes] =
      /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.system.pid(service)}/status`, 'utf8')) ?? [];
    return 1024 * Number(kilobytes ?? 0);
  }

  /** The last that services said. */
  said() {
    return this.system.output.join('').slice(-1500);
  }

  /** What was written where it does not belong, since the start. */
  strangers() {
    const before = new Set(this.#around);
    return this.#elsewhere().filter((path) => !before.has(path));
  }

  #elsewhere() {
    const inner = join(this.folder, 'inner');
    return [this.folder, inner, dirname(import.meta.dirname)].flatMap((place) =>
      readdirSync(place).map((name) => join(place, name)),
    );
  }

  async close() {
    await this.system.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
