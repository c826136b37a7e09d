import type { Command } from 'commander';
import type { RunView, StageView } from '../../client/api.views.ts';
import { leaf, online, optionsOf } from '../../command-line/command.ts';
import type { Context } from '../../command-line/context.ts';
import { leftText, timeText } from '../../progress/time-left.ts';
import { runReport } from '../../report/run.report.ts';
import { sections } from '../../report/sections.ts';
import { table } from '../../report/table.ts';
import { readFinishedRun } from '../../watch/read-finished-run.ts';

export function showRun(context: Context): Command {
  return online(
    leaf('show', 'a run, its stages and what has come of it so far', ['runs show RUN', 'runs show RUN --json']),
  )
    .argument('<run>', "the run's id")
    .action(async (id: string, _: unknown, command: Command) => {
      const options = optionsOf(command);
      const api = context.api(options);
      const found = await readFinishedRun(api, await api.run(id));
      const { run } = found;
      await context.print(options, found, () =>
        [
          table(factsOf(run), 2),
          sections([['Stages', run.stages.length === 0 ? 'none yet' : stageTable(run.stages)]]),
          runReport(found),
        ]
          .map((part) => part.trimEnd())
          .filter(Boolean)
          .join('\n\n'),
      );
    });
}

function factsOf(run: RunView): [string, string][] {
  const { config } = run;
  const facts: [string, string | null][] = [
    ['run', run.id],
    ['name', config.name],
    ['model', config.model],
    ['dataset', config.dataset],
    ['arm', `${config.arm}, ${config.objective.kind}${config.adapter ? `, LoRA of rank ${config.adapter.rank}` : ''}`],
    ['state', run.error === null ? run.state : `${run.state}: ${run.error}`],
    ['step', run.steps === null ? null : `${run.step} of ${run.steps}`],
    ['time left', run.state !== 'running' ? null : run.etaSeconds === null ? 'unknown' : timeText(run.etaSeconds)],
    ['created', run.createdAt],
    ['finished', run.finishedAt],
    ['policy', run.policyDigest],
    ['chain head', run.chainHead],
  ];
  return facts.filter((fact): fact is [string, string] => fact[1] !== null);
}

function stageTable(stages: readonly StageView[]): string {
  return table(
    [
      ['stage', 'state', 'done', 'time left'],
      ...stages.map(({ label, state, progress, etaSeconds }) => [
        label,
        state,
        `${Math.floor(progress.done)}/${progress.total} ${progress.unit}`,
        state === 'running' ? leftText({ phase: progress.phase, secondsLeft: etaSeconds }) : '',
      ]),
    ],
    2,
  );
}
