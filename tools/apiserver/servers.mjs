import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROGRAMS } from './build.mjs';

const HOST = '127.0.0.1';
const READY_MS = 120_000;

/**
 * etcd and kube-apiserver as plain processes on loopback, with what is admitted by default in a cluster, and no controller,
 * scheduler or node: what is asked for is stored or refused, and nothing comes of it.
 *
 * @param {string} folder  Holds their files and logs.
 */
export async function startServers(folder) {
  const [clients, peers, secure] = [await freePort(), await freePort(), await freePort()];
  const token = randomBytes(24).toString('hex');
  const file = (name) => join(folder, name);
  const certificates = file('certificates');
  mkdirSync(certificates, { recursive: true });
  writeFileSync(file('tokens.csv'), `${token},checker,1,"system:masters"\n`, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(file('accounts.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });

  const etcdUrl = `http://${HOST}:${clients}`;
  const peerUrl = `http://${HOST}:${peers}`;
  const processes = [
    start(PROGRAMS.etcd, file('etcd.log'), {
      'data-dir': file('etcd'),
      'listen-client-urls': etcdUrl,
      'advertise-client-urls': etcdUrl,
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'initial-cluster': `default=${peerUrl}`,
      'unsafe-no-fsync': true,
    }),
    start(PROGRAMS.apiserver, file('apiserver.log'), {
      'etcd-servers': etcdUrl,
      'bind-address': HOST,
      'advertise-address': HOST,
      'secure-port': secure,
      'cert-dir': certificates,
      'token-auth-file': file('tokens.csv'),
      'authorization-mode': 'RBAC',
      'service-cluster-ip-range': '10.0.0.0/16',
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': file('accounts.pem'),
      'service-account-signing-key-file': file('accounts.pem'),
      'endpoint-reconciler-type': 'none',
    }),
  ];
  const stop = async () => {
    for (const { child, ended } of processes.toReversed()) {
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(late);
    }
  };
  const url = `https://${HOST}:${secure}`;
  const certificate = join(certificates, 'apiserver.crt');
  const ask = (method, path, body, type) => send(url, certificate, token, { method, path, body, type });
  try {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      const over = processes.find(({ child }) => child.exitCode !== null || child.signalCode !== null);
      if (over) throw new Error(`${over.program} ended; the end of its log:\n${tail(over.log)}`);
      if (existsSync(certificate) && (await ask('GET', '/readyz').catch(() => null))?.status === 200) break;
      if (Date.now() > deadline)
        throw new Error(
          `kube-apiserver is not ready in ${READY_MS / 1000} s; its log:\n${tail(file('apiserver.log'))}`,
        );
      await sleep(200);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const kubeconfig = file('kubeconfig');
  writeFileSync(kubeconfig, JSON.stringify(configOf({ url, certificate, token })), { mode: 0o600 });
  return { ask, kubeconfig, stop };
}

function start(program, log, flags) {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const output = openSync(log, 'a');
  const child = spawn(program, args, { stdio: ['ignore', output, output] });
  closeSync(output);
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  return { child, ended, program, log };
}

const tail = (log) => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-15).join('\n');

/** @returns {Promise<{ status: number, body: any, warnings: string[] }>} */
function send(url, certificate, token, { method, path, body, type = 'application/json' }) {
  return new Promise((resolve, reject) => {
    const options = {
      method,
      ca: readFileSync(certificate),
      headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': type },
    };
    const sent = request(new URL(path, url), options, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      const { warning = [] } = response.headersDistinct;
      const isJson = response.headers['content-type']?.startsWith('application/json');
      resolve({ status: response.statusCode, body: isJson ? JSON.parse(text) : text, warnings: warning });
    });
    sent.once('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function configOf({ url, certificate, token }) {
  const certificateData = readFileSync(certificate).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'check',
    clusters: [{ name: 'check', cluster: { server: url, 'certificate-authority-data': certificateData } }],
    users: [{ name: 'check', user: { token } }],
    contexts: [{ name: 'check', context: { cluster: 'check', user: 'check' } }],
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
