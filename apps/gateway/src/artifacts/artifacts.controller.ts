import { Controller, Get, Head, Inject, Param, Post, Req, Res, StreamableFile } from '@nestjs/common';
import { ArtifactStore, type StoredArtifact } from '@solopo/artifacts';
import { CONFIG } from '@solopo/platform';
import type { Request, Response } from 'express';
import type { GatewayConfig } from '../gateway.config.ts';
import { upload } from '../http/upload.ts';

@Controller('v1/artifacts')
export class ArtifactsController {
  constructor(
    @Inject(ArtifactStore) private readonly artifacts: ArtifactStore,
    @Inject(CONFIG) private readonly config: GatewayConfig,
  ) {}

  @Post()
  async store(@Req() request: Request): Promise<StoredArtifact> {
    return this.artifacts.put(upload(request, this.config.artifactMaxBytes));
  }

  @Head(':digest')
  async describe(@Param('digest') digest: string, @Res() response: Response): Promise<void> {
    response.type('application/octet-stream').setHeader('content-length', await this.artifacts.size(digest));
    response.end();
  }

  @Get(':digest')
  async read(@Param('digest') digest: string, @Res({ passthrough: true }) response: Response): Promise<StreamableFile> {
    const length = await this.artifacts.size(digest);
    response.setHeader('cache-control', 'public, max-age=31536000, immutable');
    return new StreamableFile(await this.artifacts.open(digest), { type: 'application/octet-stream', length });
  }
}
