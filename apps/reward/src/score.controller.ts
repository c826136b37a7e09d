import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { parse } from '@solopo/platform';
import { ScoreResponses, scoreRequestSchema, type ScoreResponse } from './score-responses.ts';

@Controller()
export class ScoreController {
  constructor(@Inject(ScoreResponses) private readonly score: ScoreResponses) {}

  @Post('/v1/score')
  @HttpCode(200)
  overHttp(@Body() body: unknown): Promise<ScoreResponse> {
    return this.score.execute(parse(scoreRequestSchema, body));
  }

  @MessagePattern('reward.score', Transport.NATS)
  overNats(@Payload() body: unknown): Promise<ScoreResponse> {
    return this.score.execute(parse(scoreRequestSchema, body));
  }
}
