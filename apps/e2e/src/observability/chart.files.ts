import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

export const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
export const ALERTS = join(ROOT, 'helm/solopo/files/alerts.yaml');
const DASHBOARDS = join(ROOT, 'helm/solopo/dashboards');

export function readAlerts(): readonly Alert[] {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as { groups: readonly { rules: readonly Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

export function readDashboards(): readonly (readonly [string, Dashboard])[] {
  return readdirSync(DASHBOARDS).map((file) => {
    return [file.replace('.json', ''), JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard];
  });
}

/** Every expression of the dashboards and alerts, with where it stands. */
export function readExpressions(): readonly { readonly where: string; readonly expr: string }[] {
  const asked = readDashboards().flatMap(([name, { panels, templating }]) => [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: `${name}: ${title}`, expr }))),
    ...templating.list.flatMap(({ name: variable, definition }) => {
      const metric = /^label_values\((\w+),/.exec(definition ?? '')?.[1];
      return metric === undefined ? [] : [{ where: `${name}: $${variable}`, expr: metric }];
    }),
  ]);
  return [...asked, ...readAlerts().map(({ alert, expr }) => ({ where: alert, expr }))];
}
