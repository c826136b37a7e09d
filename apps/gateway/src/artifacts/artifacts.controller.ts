import { Controller, Get, Head, Inject, Param, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ArtifactStore } from '@solopo/artifacts';
import { artifactViewSchema, type ArtifactView } from '@solopo/contracts';
import { CONFIG } from '@solopo/platform';
import type { Request, Response } from 'express';
import type { GatewayConfig } from '../gateway.config.ts';
import { upload } from '../http/upload.ts';
import { Operation } from '../openapi/operation.decorator.ts';

const BYTES = { type: 'application/octet-stream', description: 'The bytes' };

@Controller('v1/artifacts')
export class ArtifactsController {
  constructor(
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(CONFIG) private readonly config: GatewayConfig,
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

  @Head(':digest')
  @Operation('describeArtifact', {
    summary: 'Whether the artifact is there, and its size as Content-Length',
    scope: 'read',
    answer: null,
  })
  async describe(@Param('digest') digest: string, @Res() response: Response): Promise<void> {
    response.type('application/octet-stream').setHeader('content-length', await this.artifacts.size(digest));
    response.end();
  }

  @Get(':digest')
  @Operation('readArtifact', { summary: 'The bytes of an artifact', scope: 'read', answer: BYTES })
  async read(@Param('digest') digest: string, @Res({ passthrough: true }) response: Response): Promise<StreamableFile> {
    const length = await this.artifacts.size(digest);
    response.setHeader('cache-control', 'private, max-age=31536000, immutable');
    return new StreamableFile(await this.artifacts.open(digest), { type: 'application/octet-stream', length });
  }
}
