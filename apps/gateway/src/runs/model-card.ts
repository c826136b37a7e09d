import type { DatasetView, EvaluationView, ModelView } from '@solopo/contracts';
import type { PolicyVersionRecord, RunRecord } from '@solopo/ledger';

export interface CardFacts {
  readonly run: RunRecord;
  readonly version: PolicyVersionRecord;
  readonly model: Pick<ModelView, 'name' | 'digest' | 'source' | 'warnings'> & {
    readonly files: Readonly<Record<string, string>>;
  };
  readonly dataset: Pick<DatasetView, 'name' | 'digest' | 'examples'>;
  /** Fingerprints of the engines that took its steps. */
  readonly engines: readonly string[];
  readonly evaluations: readonly EvaluationView[];
}

/** A Hugging Face model card of what the policy is made of, so that it can be told from any other and made again. */
export function modelCard({ run, version, model, dataset, engines, evaluations }: CardFacts): string {
  const { config, id } = run;
  const { adapter, frozenWeights } = config;
  const facts: readonly (readonly [string, string])[] = [
    ['Run', `${id}, step ${version.step}`],
    ['Base model', `${model.name}, \`${model.digest}\``],
    ...(model.source === null
      ? []
      : [['Its weights', `dequantised from GGUF ${model.source.file_type}, \`${model.source.sha256}\``] as const]),
    ...(model.files['adapter_config.json'] === undefined
      ? []
      : [['Its adapter', `merged into its weights first, \`${model.files['adapter_model.safetensors']}\``] as const]),
    ['Training data', `${dataset.name}, ${dataset.examples} examples, \`${dataset.digest}\``],
    ['Objective', settings(config.objective)],
    ['Arm', `\`${config.arm}\``],
    ['Alignment', settings(config.alignment)],
    ['Trained', adapter === null ? 'all parameters' : `adapter, ${settings(adapter)}`],
    ...(frozenWeights === 'float16' || frozenWeights === 'int8'
      ? [['Frozen weights', storedAs(frozenWeights)] as const]
      : []),
    ['Seed', String(config.seed)],
    ['Weights', `\`${version.digest}\``],
    ['Head of the step chain', `\`${version.chainHead}\``],
    ['Engine', engines.map((engine) => `\`${engine}\``).join(', ') || 'not recorded'],
  ];
  return `---
base_model: ${JSON.stringify(model.name)}
library_name: ${adapter === null ? 'transformers' : 'peft'}
pipeline_tag: text-generation
tags:
- solopo
- preference-optimization
- long-context
---

# ${oneLine(config.name)}

Trained on preference pairs from short contexts to answer over long ones (short-to-long preference optimization, SoLoPO).

| | |
| --- | --- |
${facts.map(([name, value]) => `| ${name} | ${cell(value)} |`).join('\n')}

Equal heads of the step chain mean equal data, configuration and parameters.
${warnings(model.warnings)}
## Accuracy by context length

${accuracyTable(evaluations, version.step)}
`;
}

function warnings(messages: readonly string[]): string {
  return messages.length === 0
    ? ''
    : `\n## Before you use it\n\n${messages.map((message) => `- ${oneLine(message)}`).join('\n')}\n`;
}

function storedAs(format: 'float16' | 'int8'): string {
  return `kept as ${format} while the adapter was trained; accuracy below is of the adapter on the base model as it is registered`;
}

function accuracyTable(evaluations: readonly EvaluationView[], step: number): string {
  const of = (which: number | 'base') => evaluations.filter((evaluation) => evaluation.step === which);
  const lengths = [...new Set([...of('base'), ...of(step)].map(({ documents }) => documents))].sort((a, b) => a - b);
  if (lengths.length === 0) return 'Not evaluated.';
  const accuracy = (which: number | 'base', documents: number): string => {
    const found = of(which).find((evaluation) => evaluation.documents === documents);
    if (found === undefined || found.n === 0) return '–';
    return `${((100 * found.correct) / found.n).toFixed(1)} % of ${found.n}`;
  };
  const rows = lengths.map((length) => `| ${length} | ${accuracy('base', length)} | ${accuracy(step, length)} |`);
  return ['| Documents | Base model | This policy |', '| ---: | ---: | ---: |', ...rows].join('\n');
}

function settings(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key} \`${wordsOf(value)}\``)
    .join(', ');
}

function wordsOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(' ');
  return typeof value === 'object' && value !== null ? Object.entries(value).flat().join(' ') : String(value);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ');
}

function cell(text: string): string {
  return oneLine(text).replaceAll('|', '\\|');
}
