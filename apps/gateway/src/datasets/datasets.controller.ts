import { Controller, Get, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { createDatasetQuerySchema, type DatasetView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import type { Request } from 'express';
import type { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.ts';
import { upload } from '../http/upload.ts';
import { Valid, validName } from '../http/valid.pipe.ts';
import { ImportDataset } from './import-dataset.use-case.ts';

type CreateQuery = z.infer<typeof createDatasetQuerySchema>;

@Controller('v1/datasets')
export class DatasetsController {
  constructor(
    @Inject(ImportDataset) private readonly importDataset: ImportDataset,
    @Inject(Ledger) private readonly ledger: Ledger,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Post()
  async import(
    @Query(new Valid(createDatasetQuerySchema)) query: CreateQuery,
    @Req() request: Request,
  ): Promise<DatasetView> {
    return this.importDataset.execute({ ...query, content: upload(request, this.config.datasetMaxBytes) });
  }

  @Get()
  async list(): Promise<readonly DatasetView[]> {
    return this.ledger.datasets.list();
  }

  @Get(':nameOrDigest')
  async show(@Param('nameOrDigest', validName) nameOrDigest: string): Promise<DatasetView> {
    return this.ledger.datasets.require(nameOrDigest);
  }
}
