// Runs readers in a child that may write to a folder of its own alone, and watches it.
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KindReport, tasksOf } from './report.mjs';

const CHILD = fileURLToPath(new URL('readers.child.mjs', import.meta.url));
/** For one case. */
const LIMIT_MS = 15_000;
/** The product itself waits so long for a tokenizer's own process, and gives each rendering of a template 2 s of a processor. */
const LIMITS_MS = { tokenizer: 150_000, template: 60_000 };
const STARTING_MS = 60_000;
const LOOK_MS = 100;
const HEAP_MB = 400;
const BATCH = 250;
/** As older releases of Node 22 call it. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';
const MOST_FAULTS = 3;
/**
 * @param wanted `[{ kind, cases }]`, or `[{ kind, seed, path }]`: a case that was told before
 * @param options `seed` of all; `limitMs` for a case
 * @returns a report of each kind
 */
export async function runReaders(wanted, { seed, limitMs }) {
  const tasks = wanted.flatMap((each) => tasksOf(each, seed, BATCH));
  const reports = new Map(wanted.map(({ kind }) => [kind, new KindReport(kind)]));
  for (let start = 0; start < tasks.length;) {
    const { done, unhandled, at, fault } = await runChild(tasks, start, limitMs);
    for (const part of done) reports.get(part.kind).add(part);
    // Nobody waits for what was rejected: it is told of the kind that ran when it was heard of.
    for (const { kind, ...rejection } of unhandled) reports.get(kind).faults.push(rejection);
    if (fault === null) break;
    const { kind, seed: own } = tasks[at.task];
    reports.get(kind).faults.push({ ...fault, seed: own, path: String(at.begun) });
    start =
      reports.get(kind).faults.length < MOST_FAULTS
        ? at.task + 1
        : tasks.findIndex((task, i) => i > at.task && task.kind !== kind);
    if (start < 0) break;
  }
  for (const report of reports.values()) report.end();
  return [...reports.values()];
}

function runChild(tasks, start, limitMs) {
  const scratch = mkdtempSync(join(tmpdir(), 'solopo-fuzz-'));
  // Addons, workers and children are of the numeric engine that is imported along, of templates and of tokenizers.
  const may = [
    '--allow-fs-read=*',
    `--allow-fs-write=${scratch}/*`,
    '--allow-addons',
    '--allow-worker',
    '--allow-child-process',
  ];
  const child = fork(CHILD, [JSON.stringify({ tasks, start, scratch })], {
    execArgv: ['--expose-gc', `--max-old-space-size=${HEAP_MB}`, '--no-warnings', PERMISSION, ...may],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, TMPDIR: scratch },
  });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const [done, unhandled] = [[], []];
  let said = '';
  let stuckMs = null;
  child.stderr.setEncoding('utf8').on('data', (chunk) => (said = (said + chunk).slice(-4000)));
  child.on('message', (message) => {
    if (!('unhandled' in message)) done.push(message);
    else if (unhandled.length < MOST_FAULTS)
      unhandled.push({ kind: tasks[placeOf(scratch).task].kind, ...message.unhandled });
  });
  let [before, since] = [placeOf(scratch), performance.now()];
  const watch = setInterval(() => {
    const now = placeOf(scratch);
    if (now?.task !== before?.task || now?.begun !== before?.begun) [before, since] = [now, performance.now()];
    const limit = now === null ? STARTING_MS : (limitMs ?? LIMITS_MS[tasks[now.task].kind] ?? LIMIT_MS);
    if (performance.now() - since < limit) return;
    stuckMs = limit;
    end();
  }, LOOK_MS);
  return new Promise((resolve) =>
    child.once('close', (code, signal) => {
      clearInterval(watch);
      process.off('exit', end);
      const at = placeOf(scratch) ?? { task: start, begun: 0 };
      rmSync(scratch, { recursive: true, force: true });
      const died = `the process ended with ${signal ?? `exit code ${code}`}: ${/^\w*Error.*$/m.exec(said)?.[0] ?? said.slice(-600)}`;
      const fault =
        stuckMs !== null
          ? { name: 'hang', message: `no end in ${stuckMs} ms`, place: '' }
          : { name: 'death', message: died, place: '' };
      resolve({ done, unhandled, at, fault: code === 0 ? null : fault });
    }),
  );
}

function placeOf(scratch) {
  try {
    const bytes = readFileSync(join(scratch, 'progress'));
    return bytes.length < 16 ? null : { task: bytes.readDoubleLE(0), begun: bytes.readDoubleLE(8) };
  } catch {
    return null;
  }
}
