import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

// Packages as Node itself finds them: what some have under `module` is for bundlers, and Node cannot load it.
const conditions = ['@solopo/source', ...defaultServerConditions.filter((condition) => condition !== 'module')];

export default defineConfig({
  ssr: { resolve: { conditions } },
  resolve: { conditions },
  test: {
    include: ['libs/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'tools/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    globalSetup: ['libs/testing/src/cluster.template.ts'],
    pool: 'forks',
    // One more than the processors that it is made for: tests wait for servers, browsers and each other.
    maxWorkers: 3,
  },
});
