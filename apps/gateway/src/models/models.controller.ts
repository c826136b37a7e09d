import { Body, Controller, Get, Inject, Param, Post } from '@nestjs/common';
import { createModelSchema, type ModelView } from '@solopo/contracts';
import { Ledger, type ModelRecord } from '@solopo/ledger';
import type { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { RegisterModel } from './register-model.use-case.ts';

@Controller('v1/models')
export class ModelsController {
  constructor(
    @Inject(RegisterModel) private readonly registerModel: RegisterModel,
    @Inject(Ledger) private readonly ledger: Ledger,
  ) {}

  @Post()
  async register(@Body(new Valid(createModelSchema)) body: z.infer<typeof createModelSchema>): Promise<ModelView> {
    return this.registerModel.execute(body);
  }

  @Get()
  async list(): Promise<readonly ModelView[]> {
    return this.ledger.models.list();
  }

  @Get(':nameOrDigest')
  async show(@Param('nameOrDigest', validName) nameOrDigest: string): Promise<ModelRecord> {
    return this.ledger.models.require(nameOrDigest);
  }
}
