import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { inspectRequestSchema, type Inspection } from '@solopo/contracts';
import { parse } from '@solopo/platform';
import { InspectPair } from './inspect-pair.ts';

/** Of runs that PyTorch computes: a subject of its own, which only workers that have it listen on. */
@Controller()
export class InspectTorchController {
  constructor(@Inject(InspectPair) private readonly inspect: InspectPair) {}

  @MessagePattern('reward.inspect.torch', Transport.NATS)
  overNats(@Payload() body: unknown): Promise<Inspection> {
    return this.inspect.execute(parse(inspectRequestSchema, body));
  }
}
