import { Controller, Get, Inject } from '@nestjs/common';
import { z } from 'zod';
import { Operation } from './operation.decorator.ts';

export const OPENAPI_DOCUMENT = Symbol('solopo.openapi');

@Controller('v1/openapi.json')
export class OpenApiController {
  constructor(@Inject(OPENAPI_DOCUMENT) private readonly document: Readonly<Record<string, unknown>>) {}

  @Get()
  @Operation('describeApi', {
    summary: 'This document',
    scope: null,
    answer: z.record(z.string(), z.unknown()),
  })
  show(): Readonly<Record<string, unknown>> {
    return this.document;
  }
}
