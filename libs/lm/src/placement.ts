import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where nodes of a graph were executed. */
export interface Placement {
  readonly graph: string;
  readonly operator: string;
  /** As onnxruntime names it: CPUExecutionProvider, WebGpuExecutionProvider, ... */
  readonly provider: string;
  readonly runs: number;
  /** Sizes, places of slices and of tokens: nothing of the model. */
  readonly wholeNumbers: boolean;
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly args?: {
    readonly op_name?: string;
    readonly provider?: string;
    readonly output_type_shape?: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

/** What the closed runtime's profile in a folder says, by graph, operator and provider. */
export function readPlacements(folder: string): Placement[] {
  const rows = new Map<string, { -readonly [K in keyof Placement]: Placement[K] }>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
    const graph = file.replace(/_\d{4}-.*$/, '');
    for (const { cat, name, args } of JSON.parse(readFileSync(join(folder, file), 'utf8')) as ProfileEvent[]) {
      if (cat !== 'Node' || !name.endsWith('_kernel_time') || !args?.provider) continue;
      const operator = args.op_name ?? '';
      const wholeNumbers = (args.output_type_shape ?? []).every((output) => 'int64' in output);
      const key = [graph, operator, args.provider, wholeNumbers].join();
      const row = rows.get(key) ?? { graph, operator, provider: args.provider, runs: 0, wholeNumbers };
      row.runs += 1;
      rows.set(key, row);
    }
  }
  return [...rows.values()].sort((a, b) => a.graph.localeCompare(b.graph) || b.runs - a.runs);
}

/** What a device left to the processor. Copies between the two are among it: they wait for the device. */
export const fallbacks = (placements: readonly Placement[]): Placement[] =>
  placements.filter(({ provider, operator }) => provider === 'CPUExecutionProvider' || operator.startsWith('Memcpy'));
