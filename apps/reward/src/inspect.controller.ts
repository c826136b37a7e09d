import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { inspectRequestSchema, type Inspection } from '@solopo/contracts';
import { parse } from '@solopo/platform';
import { InspectPair } from './inspect-pair.ts';

@Controller()
export class InspectController {
  constructor(@Inject(InspectPair) private readonly inspect: InspectPair) {}

  @MessagePattern('reward.inspect', Transport.NATS)
  overNats(@Payload() body: unknown): Promise<Inspection> {
    return this.inspect.execute(parse(inspectRequestSchema, body));
  }
}
