import { Body, Controller, Get, Head, HttpCode, Inject, Param, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import {
  artifactViewSchema,
  collectGarbageSchema,
  garbageSchema,
  SolopoError,
  type ArtifactView,
  type CollectGarbage as CollectGarbageCommand,
  type Garbage,
} from '@solopo/contracts';
import { CONFIG } from '@solopo/platform';
import type { Request, Response } from 'express';
import type { GatewayConfig } from '../gateway.config.ts';
import { upload } from '../http/upload.ts';
import { Valid } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { CollectGarbage } from './collect-garbage.use-case.ts';

const BYTES = { type: 'application/octet-stream', description: 'The bytes' };

@Controller('v1/artifacts')
export class ArtifactsController {
  constructor(
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(CONFIG) private readonly config: GatewayConfig,
    @Inject(CollectGarbage) private readonly collectGarbage: CollectGarbage,
  ) {}

  @Post()
  @Operation('storeArtifact', {
    summary: 'Keeps bytes under their SHA-256',
    scope: 'run',
    upload: BYTES,
    answer: artifactViewSchema,
  })
  async store(@Req() request: Request): Promise<ArtifactView> {
    return this.artifacts.put(upload(request, this.config.artifactMaxBytes));
  }

  @Post('gc')
  @HttpCode(200)
  @Operation('collectGarbage', {
    summary: 'Removes artifacts that nothing refers to; without `dryRun: false` it says how many there are',
    scope: 'admin',
    answer: garbageSchema,
  })
  async gc(@Body(new Valid(collectGarbageSchema)) asked: CollectGarbageCommand): Promise<Garbage> {
    return this.collectGarbage.execute(asked);
  }

  @Head(':digest')
  @Operation('describeArtifact', {
    summary: 'Whether the artifact is there, and its size as Content-Length',
    scope: 'read',
    answer: null,
  })
  async describe(@Param('digest') digest: string, @Res() response: Response): Promise<void> {
    await this.#demandWhole(digest);
    response.type('application/octet-stream').setHeader('content-length', await this.artifacts.size(digest));
    response.end();
  }

  @Get(':digest')
  @Operation('readArtifact', { summary: 'The bytes of an artifact', scope: 'read', answer: BYTES })
  async read(@Param('digest') digest: string, @Res({ passthrough: true }) response: Response): Promise<StreamableFile> {
    const content = await this.artifacts.open(digest);
    const length = await this.artifacts.size(digest);
    // Not for caches that others share: they ask for no token.
    response.setHeader('cache-control', 'private, max-age=31536000, immutable');
    return new StreamableFile(content, { type: 'application/octet-stream', length });
  }

  /** To whoever asks before an upload, a damaged one is not there: the upload mends it. */
  async #demandWhole(digest: string): Promise<void> {
    await this.artifacts.demandWhole(digest).catch((error: unknown) => {
      const { code, message } = SolopoError.from(error);
      throw code === 'artifact-damaged' ? new SolopoError('not-found', message, { cause: error }) : error;
    });
  }
}
