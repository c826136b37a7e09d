import type { IssuedToken } from '@solopo/contracts';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { waitFor } from '@solopo/testing';
import { readEvents, type EventReader } from '../testing/event-reader.fixture.ts';
import { useGateway } from '../testing/gateway.fixture.ts';

const ADMIN = 'an-administrators-token-of-the-environment';
const gateway = useGateway({
  auth: 'required',
  adminToken: ADMIN,
  tokenCheckMs: 50,
  eventStreams: 4,
  eventStreamsPerClient: 3,
});

const as = (token: string): Promise<EventReader> => readEvents(`${gateway.url}/v1/events?access_token=${token}`);
const issue = async (name: string): Promise<string> => {
  const issuing = request(gateway.url).post('/v1/tokens').auth(ADMIN, { type: 'bearer' });
  return ((await issuing.send({ name, scopes: ['read'] }).expect(201)).body as IssuedToken).token;
};

describe('streams of events', () => {
  it('end soon after their token is revoked, by whichever gateway; others go on', async () => {
    const [first, second] = [await as(await issue('first')), await as(await issue('second'))];
    await gateway.ledger.tokens.revoke('first');
    await waitFor('the stream of the revoked token to end', () => first.ended);
    expect(second.ended).toBe(false);
    second.close();
  });

  it('are so many of one token, and so many of all; there is room again when one ends', async () => {
    const token = await issue('many');
    const mine = [await as(token), await as(token), await as(token)];
    const more = (who: string) => request(gateway.url).get('/v1/events').auth(who, { type: 'bearer' });
    expect((await more(token).expect(429).expect('retry-after', /^\d+$/)).body).toMatchObject({
      code: 'too-many-streams',
      detail: expect.stringContaining('close some') as string,
    });
    const other = await as(ADMIN);
    expect((await more(ADMIN).expect(503).expect('retry-after', /^\d+$/)).body).toMatchObject({ code: 'streams-full' });
    mine[0]?.close();
    await waitFor('room', async () => {
      const again = await as(token);
      again.close();
      return again.status === 200;
    });
    for (const reader of [...mine, other]) reader.close();
  });

  it('from a place that a lost stream of the server had begin anew', async () => {
    gateway.connection.publish(
      'events.runs.any',
      JSON.stringify({ type: 'run.step', run: 'any', at: new Date().toISOString(), data: { step: 1 } }),
    );
    const reader = await waitFor('room', async () => {
      const opened = await readEvents(`${gateway.url}/v1/events?access_token=${ADMIN}`, '1000000');
      return opened.status === 200 && opened;
    });
    const [event] = await reader.count(1);
    expect(event?.event).toMatchObject({ run: 'any', data: { step: 1 } });
    reader.close();
  });
});
