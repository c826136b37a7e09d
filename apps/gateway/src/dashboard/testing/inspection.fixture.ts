import type { NatsConnection } from '@solopo/bus';
import type { InspectRequest, Inspection } from '@solopo/contracts';

/** Made-up figures of a policy of the step: three tokens, two layers. */
export function inspectionOf(step: number): Inspection {
  const response = (offset: number): Inspection['short']['chosen'] => ({
    logps: [-2, -1, -0.1].map((logp) => (logp - offset) / (1 + step)),
    attention: [0, 1].map((layer) => {
      const evidence = (0.1 + 0.3 * layer) / (1 + offset) + step / 100;
      return { evidence, rest: 0.9 - evidence, response: 0.1 };
    }),
  });
  return {
    policy: String(step % 10).repeat(64),
    step,
    engine: 'a fake; cpu float32',
    short: { chosen: response(0), rejected: response(1) },
    long: { chosen: response(2), rejected: response(3) },
  };
}

/** In place of a reward worker. */
export function answerInspections(connection: NatsConnection): {
  readonly questions: readonly InspectRequest[];
  stop(): void;
} {
  const questions: InspectRequest[] = [];
  const subscription = connection.subscribe('reward.inspect', {
    callback: (_, message) => {
      const { data, id } = message.json<{ data: InspectRequest; id: string }>();
      questions.push(data);
      message.respond(JSON.stringify({ id, response: inspectionOf(data.step), isDisposed: true }));
    },
  });
  return { questions, stop: () => subscription.unsubscribe() };
}
