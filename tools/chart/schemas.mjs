// node tools/chart/schemas.mjs: makes tools/chart/schemas again, from Go modules that carry the published definitions.
// Only the kinds that the chart renders are kept, without descriptions, and strictly: what a kind does not know is a fault.
// The definitions of custom resources are kept beside them, for a kube-apiserver (npm run apiserver).
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { findGo } from '../bootstrap/chart-tools.mjs';
import { KUBERNETES } from './versions.mjs';

const HERE = import.meta.dirname;
const SCHEMAS = join(HERE, 'schemas');

const KINDS = [
  'ConfigMap',
  'Deployment',
  'Ingress',
  'Job',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'Pod',
  'PodDisruptionBudget',
  'Secret',
  'Service',
  'ServiceAccount',
  'StatefulSet',
];

const CUSTOM = [
  { module: 'github.com/kedacore/keda/v2@v2.21.0', file: 'config/crd/bases/keda.sh_scaledobjects.yaml' },
  ...['servicemonitors', 'prometheusrules'].map((name) => ({
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    file: `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
  })),
  { module: 'sigs.k8s.io/lws@v0.9.0', file: 'config/crd/bases/leaderworkerset.x-k8s.io_leaderworkersets.yaml' },
];

const go = findGo();
if (go === undefined) throw new Error('Go was not found; install it (https://go.dev/dl), then run this again.');

function folderOf(module) {
  return JSON.parse(execFileSync(go, ['mod', 'download', '-json', module], { encoding: 'utf8', cwd: '/' })).Dir;
}

function write(path, schema) {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `${JSON.stringify(schema)}\n`);
}

const INT_OR_STRING = { oneOf: [{ type: 'string' }, { type: 'integer' }] };

/** OpenAPI's schema as a strict one of draft 7. */
function strict(schema, isProperties = false) {
  if (Array.isArray(schema)) return schema.map((each) => strict(each));
  if (typeof schema !== 'object' || schema === null) return schema;
  if (!isProperties) {
    if (schema['x-kubernetes-int-or-string'] || schema.format === 'int-or-string') return INT_OR_STRING;
  }
  const result = {};
  for (const [key, value] of Object.entries(schema)) {
    if (isProperties) result[key] = strict(value);
    else if (key === 'properties' || key === 'definitions') result[key] = strict(value, true);
    else if (key === 'description' || key === 'default' || key === 'example' || key === 'nullable' || key === 'format')
      continue;
    else if (key.startsWith('x-kubernetes-')) continue;
    else result[key] = typeof value === 'object' ? strict(value) : value;
  }
  if (isProperties) return result;
  const open = schema['x-kubernetes-preserve-unknown-fields'] || schema['x-kubernetes-embedded-resource'];
  if (result.properties && !('additionalProperties' in result) && !open) result.additionalProperties = false;
  if (schema.nullable && typeof result.type === 'string') result.type = [result.type, 'null'];
  return result;
}

/** As a server takes it, but a third of its size. */
function withoutDescriptions(value, isProperties = false) {
  if (Array.isArray(value)) return value.map((each) => withoutDescriptions(each));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => isProperties || key !== 'description');
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutDescriptions(each, key === 'properties')]));
}

/** The definitions that one needs, itself included. */
function closure(definitions, name, found = {}) {
  if (name in found) return found;
  const definition = definitions[name];
  found[name] = /\.(Quantity|IntOrString)$/.test(name)
    ? { oneOf: [{ type: 'string' }, { type: 'number' }] }
    : strict(definition);
  const text = JSON.stringify(found[name]);
  for (const [, next] of text.matchAll(/"#\/definitions\/([^"]+)"/g)) closure(definitions, next, found);
  return found;
}

rmSync(join(SCHEMAS, 'custom'), { recursive: true, force: true });
for (const version of KUBERNETES) {
  const { definitions } = JSON.parse(
    readFileSync(join(folderOf(`k8s.io/kubernetes@v${version}`), 'api/openapi-spec/swagger.json'), 'utf8'),
  );
  rmSync(join(SCHEMAS, `v${version}`), { recursive: true, force: true });
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, version: api, kind } of definition['x-kubernetes-group-version-kind'] ?? []) {
      if (!KINDS.includes(kind) || api !== 'v1') continue;
      const found = closure(definitions, name);
      const { properties } = found[name];
      properties.apiVersion = { enum: [group === '' ? api : `${group}/${api}`] };
      properties.kind = { enum: [kind] };
      found[name].required = [...new Set([...(found[name].required ?? []), 'apiVersion', 'kind', 'metadata'])];
      const suffix = group === '' ? `-${api}` : `-${group.split('.')[0]}-${api}`;
      write(join(SCHEMAS, `v${version}`, `${kind.toLowerCase()}${suffix}.json`), {
        $schema: 'http://json-schema.org/draft-07/schema#',
        $ref: `#/definitions/${name}`,
        definitions: found,
      });
    }
  }
}
rmSync(join(SCHEMAS, 'crds'), { recursive: true, force: true });
for (const { module, file } of CUSTOM) {
  const { apiVersion, kind, metadata, spec } = parse(readFileSync(join(folderOf(module), file), 'utf8'));
  const definition = { apiVersion, kind, metadata: { name: metadata.name, annotations: metadata.annotations }, spec };
  write(join(SCHEMAS, 'crds', `${metadata.name}.json`), withoutDescriptions(definition));
  for (const { name, schema } of spec.versions) {
    const own = strict(schema.openAPIV3Schema);
    own.properties.metadata = { type: 'object' };
    const path = join(SCHEMAS, 'custom', spec.group, `${spec.names.kind.toLowerCase()}_${name}.json`);
    write(path, { $schema: 'http://json-schema.org/draft-07/schema#', ...own });
  }
}
