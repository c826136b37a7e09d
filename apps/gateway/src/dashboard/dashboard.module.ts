import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { dashboardFiles } from './dashboard.files.ts';

/** The pages at `/`. They are open to everybody: what they show they ask the API for, with the reader's own token. */
@Module({})
export class DashboardModule implements OnModuleInit {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    this.host.httpAdapter.use(dashboardFiles());
  }
}
