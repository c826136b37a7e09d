/**
 * Who may import whom: the whole table, so a new project starts with a row here. Tests may import `testing` besides.
 */
const TABLE = {
  // libraries that know nothing of services
  contracts: '',
  random: '',
  'onnx-graph': '',
  objectives: '',
  text: '',
  tracing: '',
  corpus: 'contracts random text',
  lm: 'objectives onnx-graph random text',
  engine: 'artifacts contracts lm objectives text tracing',
  'sampling-server': 'contracts lm random',
  functions: 'contracts',
  pipeline: 'contracts objectives random',
  artifacts: 'contracts',

  // libraries of the services
  ledger: 'contracts tracing',
  platform: 'contracts tracing',
  workflow: 'contracts functions ledger pipeline',
  bus: 'contracts functions ledger platform tracing',
  trackers: 'contracts ledger',
  worker: 'artifacts bus contracts engine functions ledger platform sampling-server text workflow',

  // real servers, for tests and for the launcher
  'local-servers': '',
  testing: 'local-servers',

  // apps: they compose libraries, and never import each other
  gateway:
    'artifacts bus contracts corpus functions ledger lm pipeline platform sampling-server text trackers workflow',
  datagen:
    'artifacts bus contracts corpus engine functions ledger pipeline platform sampling-server text worker workflow',
  reward: 'artifacts bus contracts corpus engine functions ledger objectives pipeline platform text worker workflow',
  trainer: 'artifacts bus contracts engine functions ledger objectives pipeline platform worker workflow',
  migrator: 'bus contracts functions ledger platform',
  cli: 'contracts corpus lm text',
  launcher: 'engine functions local-servers',

  // the whole system under test
  e2e: 'bus contracts corpus functions ledger lm local-servers random testing',
};

/** @type {Readonly<Record<string, readonly string[]>>} */
export const BOUNDARIES = Object.fromEntries(
  Object.entries(TABLE).map(([project, names]) => [project, names.split(' ').filter(Boolean)]),
);

/** Packages with one home: only these projects may import them. */
const HOMES = {
  kysely: ['ledger'],
  pg: ['ledger', 'local-servers', 'testing', 'launcher', 'e2e'],
  '@nats-io/*': ['bus', 'launcher'],
  '@nestjs/*': ['bus', 'platform', 'worker', 'gateway', 'datagen', 'reward', 'trainer', 'migrator'],
  'onnxruntime-node': ['lm', 'onnx-graph'],
  '@opentelemetry/*': ['tracing'],
  '@aws-sdk/*': ['artifacts'],
};

/**
 * The table as rows of `@nx/enforce-module-boundaries`.
 *
 * @param {{ tests: boolean }} options
 */
export function constraints({ tests }) {
  return Object.entries(BOUNDARIES).map(([project, may]) => ({
    sourceTag: `scope:${project}`,
    onlyDependOnLibsWithTags: [...may, ...(tests ? ['testing'] : [])].map((name) => `scope:${name}`),
    ...(tests ? {} : { bannedExternalImports: foreignTo(project) }),
  }));
}

/** @param {string} project */
function foreignTo(project) {
  return Object.entries(HOMES)
    .filter(([, homes]) => !homes.includes(project))
    .map(([name]) => name);
}
