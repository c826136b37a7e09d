import { Body, Controller, Get, Inject, Param, Post } from '@nestjs/common';
import {
  createModelSchema,
  modelDetailsSchema,
  modelViewSchema,
  type ModelDetails,
  type ModelView,
} from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { RegisterModel } from './register-model.use-case.ts';

@Controller('v1/models')
export class ModelsController {
  constructor(
    @Inject(RegisterModel) private readonly registerModel: RegisterModel,
    @Inject(Ledger) private readonly ledger: Ledger,
  ) {}

  @Post()
  @Operation('registerModel', {
    summary: 'Makes a model of artifacts: the files of a Hugging Face folder by their digests',
    scope: 'run',
    answer: modelViewSchema,
  })
  async register(@Body(new Valid(createModelSchema)) body: z.infer<typeof createModelSchema>): Promise<ModelView> {
    return this.registerModel.execute(body);
  }

  @Get()
  @Operation('listModels', { summary: 'All models', scope: 'read', answer: z.array(modelViewSchema) })
  async list(): Promise<readonly ModelView[]> {
    return this.ledger.models.list();
  }

  @Get(':nameOrDigest')
  @Operation('showModel', {
    summary: 'A model by digest, or the latest of a name',
    scope: 'read',
    answer: modelDetailsSchema,
  })
  async show(@Param('nameOrDigest', validName) nameOrDigest: string): Promise<ModelDetails> {
    return this.ledger.models.require(nameOrDigest);
  }
}
