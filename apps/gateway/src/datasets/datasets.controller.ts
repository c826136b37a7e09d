import { Controller, Get, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { createDatasetQuerySchema, datasetViewSchema, type DatasetView } from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { CONFIG } from '@solopo/platform';
import type { Request } from 'express';
import { z } from 'zod';
import type { GatewayConfig } from '../gateway.config.ts';
import { upload } from '../http/upload.ts';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
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
  @Operation('importDataset', {
    summary:
      'Imports questions with their documents, as JSON lines or one JSON array; lines that cannot be read are reported',
    scope: 'run',
    upload: { type: 'application/x-ndjson', description: 'JSON lines, or one JSON array, in UTF-8' },
    answer: datasetViewSchema,
  })
  async import(
    @Query(new Valid(createDatasetQuerySchema)) query: CreateQuery,
    @Req() request: Request,
  ): Promise<DatasetView> {
    return this.importDataset.execute({ ...query, content: upload(request, this.config.datasetMaxBytes) });
  }

  @Get()
  @Operation('listDatasets', { summary: 'All data sets', scope: 'read', answer: z.array(datasetViewSchema) })
  async list(): Promise<readonly DatasetView[]> {
    return this.ledger.datasets.list();
  }

  @Get(':nameOrDigest')
  @Operation('showDataset', {
    summary: 'A data set by digest, or the latest of a name',
    scope: 'read',
    answer: datasetViewSchema,
  })
  async show(@Param('nameOrDigest', validName) nameOrDigest: string): Promise<DatasetView> {
    return this.ledger.datasets.require(nameOrDigest);
  }
}
