import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ROOT } from '../bootstrap/run.mjs';
import { HOME, whyNoTools } from '../bootstrap/chart-tools.mjs';

export const CHART = join(ROOT, 'helm', 'solopo');

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any of Kubernetes's kinds
  readonly [key: string]: any;
}

/** Skips the test, with the reason, where the tools are not built; fails it where they must be. */
export function needTools(context: TestContext): void {
  const why = whyNoTools();
  if (why === undefined) return;
  if (process.env['CI'] === 'true') throw new Error(`${why}.`);
  context.skip(why);
}

/** Runs helm, helm-unittest or kubeconform; its output, or an error with it. */
export function tool(name: 'helm' | 'helm-unittest' | 'kubeconform', args: readonly string[], input?: string): string {
  try {
    return execFileSync(join(HOME, 'bin', name), args, {
      cwd: ROOT,
      input,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${name} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
}

/** What `helm template` renders, as text. */
export function template(args: readonly string[] = []): string {
  return tool('helm', ['template', 'test', CHART, '--namespace', 'solopo', ...args]);
}

export function manifests(args: readonly string[] = []): readonly Manifest[] {
  return parseAllDocuments(template(args))
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}
