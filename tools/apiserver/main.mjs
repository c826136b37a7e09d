// npm run apiserver: the chart against a real kube-apiserver, which validates, defaults and admits what is rendered.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import { HOME as CHART_TOOLS, installChartTools } from '../bootstrap/chart-tools.mjs';
import { ROOT } from '../bootstrap/run.mjs';
import { build, KUBERNETES } from './build.mjs';
import { startServers } from './servers.mjs';

const CHART = join(ROOT, 'helm', 'solopo');
const CRDS = join(ROOT, 'tools', 'chart', 'schemas', 'crds');
const RELEASE = 'test';

if (!installChartTools()) throw new Error('helm is not there; the lines above say why.');
const built = build();
if (built !== null) console.log(`${built.toFixed(0)} s  etcd and kube-apiserver ${KUBERNETES} are built`);
const started = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'solopo-apiserver-'));
const server = await startServers(folder);
try {
  say(`kube-apiserver ${KUBERNETES} is up`);
  for (const file of readdirSync(CRDS)) await define(JSON.parse(readFileSync(join(CRDS, file), 'utf8')));
  const resources = await discover();
  // As a cluster with GPUs has it.
  await create({ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'nvidia' }, handler: 'nvidia' });

  for (const file of readdirSync(join(CHART, 'ci'))) {
    const namespace = await restrictedNamespace(`solopo-${file.replace('-values.yaml', '')}`);
    const values = ['--values', join(CHART, 'ci', file)];
    const rendered = manifestsOf(helm('template', RELEASE, CHART, '--namespace', namespace, ...values));
    // Pods need the account that others are given by.
    const sorted = rendered.toSorted((a, b) => Number(a.kind === 'Pod') - Number(b.kind === 'Pod'));
    for (const manifest of sorted) await apply({ ...manifest, metadata: { namespace, ...manifest.metadata } });
    const pods = rendered.flatMap(podsOf);
    for (const pod of pods) await create({ ...pod, metadata: { ...pod.metadata, namespace } });
    say(`ci/${file}: ${rendered.length} objects are stored, ${pods.length} pods of their templates admitted`);

    const own = await restrictedNamespace(`${namespace}-helm`);
    const install = (command) => helm(command, RELEASE, CHART, '--namespace', own, '--no-hooks', ...values);
    install('install');
    const secrets = await secretsOf(own);
    install('upgrade');
    if ((await secretsOf(own)) !== secrets) throw new Error(`ci/${file}: an upgrade drew a secret anew.`);
    say(`ci/${file}: helm installs and upgrades it, and keeps its secrets`);
  }
  await refuseWhatIsWrong();
  say('a pod that may be root, and a field that no Kubernetes has, are refused');

  /** Applied on the server, strictly: unknown and doubled fields are faults, and so is any warning. */
  async function apply(manifest) {
    const { name } = manifest.metadata;
    const query = 'fieldManager=check&force=true&fieldValidation=Strict';
    const answer = await server.ask(
      'PATCH',
      `${pathOf(manifest)}/${name}?${query}`,
      manifest,
      'application/apply-patch+yaml',
    );
    demand(answer, manifest, [200, 201]);
  }

  async function create(manifest) {
    demand(await server.ask('POST', `${pathOf(manifest)}?fieldValidation=Strict`, manifest), manifest, [201]);
  }

  function pathOf({ apiVersion, kind, metadata }) {
    const found = resources.get(`${apiVersion}/${kind}`);
    if (found === undefined) throw new Error(`Kubernetes ${KUBERNETES} has no ${kind} of ${apiVersion}.`);
    const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    return found.namespaced ? `${base}/namespaces/${metadata.namespace}/${found.name}` : `${base}/${found.name}`;
  }

  async function restrictedNamespace(name) {
    const level = Object.fromEntries(
      ['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
    );
    await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: level } });
    // A controller makes it in a cluster.
    await create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: name } });
    return name;
  }

  async function refuseWhatIsWrong() {
    const namespace = await restrictedNamespace('wrong');
    const rendered = manifestsOf(
      helm('template', RELEASE, CHART, '--namespace', namespace, '--set', 'serviceAccount.create=false'),
    );
    const gateway = rendered.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name.endsWith('-gateway'));
    const [pod] = podsOf(gateway);
    pod.metadata.namespace = namespace;
    const path = `${pathOf(pod)}?fieldValidation=Strict`;
    delete pod.spec.securityContext.runAsNonRoot;
    const rooted = await server.ask('POST', path, pod);
    if (rooted.status !== 403 || !/violates PodSecurity "restricted:/.test(rooted.body.message))
      throw new Error(`A pod that may be root was answered ${rooted.status}: ${rooted.body.message}`);
    pod.spec.securityContext.runAsNonRoot = true;
    pod.spec.restartPolicies = 'Always';
    const unknown = await server.ask('POST', path, pod);
    if (unknown.status !== 400 || !/unknown field "spec.restartPolicies"/.test(unknown.body.message))
      throw new Error(`An unknown field was answered ${unknown.status}: ${unknown.body.message}`);
  }

  async function secretsOf(namespace) {
    const { body } = await server.ask('GET', `/api/v1/namespaces/${namespace}/secrets`);
    const own = body.items.filter(({ type }) => type !== 'helm.sh/release.v1');
    return JSON.stringify(own.map(({ metadata: { name }, data }) => [name, data]));
  }

  function helm(...args) {
    const env = { ...process.env, KUBECONFIG: server.kubeconfig, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder };
    return execFileSync(join(CHART_TOOLS, 'bin', 'helm'), args, { env, encoding: 'utf8', maxBuffer: 2 ** 26 });
  }
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`The chart is what Kubernetes ${KUBERNETES} takes, under the restricted standard of pod security.`);

function say(what) {
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${what}`);
}

function demand({ status, body, warnings }, { kind, metadata }, wanted) {
  const name = metadata.name ?? metadata.generateName;
  if (!wanted.includes(status)) throw new Error(`${kind} ${name} was answered ${status}: ${body.message ?? body}`);
  if (warnings.length > 0) throw new Error(`${kind} ${name} is taken with a warning: ${warnings.join('; ')}`);
}

async function define(crd) {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  demand(await server.ask('POST', path, crd), crd, [201]);
  const isEstablished = ({ body: { status } }) =>
    status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True');
  for (let tries = 0; !isEstablished(await server.ask('GET', `${path}/${crd.metadata.name}`)); tries++) {
    if (tries > 100) throw new Error(`${crd.metadata.name} is not served after 20 s.`);
    await sleep(200);
  }
}

/** What the server has, by version and kind. */
async function discover() {
  const { body } = await server.ask('GET', '/apis');
  const groups = body.groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => `/apis/${groupVersion}`));
  const found = new Map();
  for (const path of ['/api/v1', ...groups]) {
    const { body: list } = await server.ask('GET', path);
    for (const resource of list.resources ?? [])
      if (!resource.name.includes('/')) found.set(`${list.groupVersion}/${resource.kind}`, resource);
  }
  return found;
}

function manifestsOf(text) {
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((manifest) => manifest !== null);
}

/** A pod of each kind that a controller would make. */
function podsOf({ kind, metadata, spec }) {
  const { leaderTemplate, workerTemplate } = spec?.leaderWorkerTemplate ?? {};
  const isController = ['Deployment', 'StatefulSet', 'Job'].includes(kind);
  const templates = kind === 'LeaderWorkerSet' ? [leaderTemplate, workerTemplate] : isController ? [spec.template] : [];
  const claims = (spec?.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: `${name}-${metadata.name}-0` },
  }));
  return templates.map((template) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, generateName: `${metadata.name}-` },
    spec: structuredClone({ ...template.spec, volumes: [...(template.spec.volumes ?? []), ...claims] }),
  }));
}
