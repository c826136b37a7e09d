import { Controller, Get, Inject } from '@nestjs/common';
import { systemViewSchema, type SystemView } from '@solopo/contracts';
import { Operation } from '../openapi/operation.decorator.ts';
import { DescribeSystem } from './describe-system.use-case.ts';

@Controller('v1/system')
export class SystemController {
  constructor(@Inject(DescribeSystem) private readonly describeSystem: DescribeSystem) {}

  @Get()
  @Operation('describeSystem', {
    summary: 'Functions with their queues, streams, workers of the last day, and engines that took gradient steps',
    scope: 'read',
    answer: systemViewSchema,
  })
  async show(): Promise<SystemView> {
    return this.describeSystem.execute();
  }
}
