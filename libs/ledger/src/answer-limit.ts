import type pg from 'pg';

/**
 * A server that is gone without a word (a host that lost power, a firewall that forgot) breaks no connection by itself: who asks would wait
 * for hours. Where a question has no answer for so long its connection ends, with an error that counts as an outage.
 */
export function limitAnswers(client: pg.Client, limitMs: number): void {
  const ask = client.query.bind(client) as (...question: unknown[]) => unknown;
  const askWithin = (...question: unknown[]): unknown => {
    const answer = ask(...question);
    if (!(answer instanceof Promise)) return answer;
    const timer = setTimeout(() => void client.end().catch(() => undefined), limitMs);
    return answer.finally(() => clearTimeout(timer));
  };
  client.query = askWithin as typeof client.query;
}
