import 'reflect-metadata';
import { expect, it } from 'vitest';
import { API_CONTROLLERS } from '../gateway.module.ts';
import { openApiDocument } from './document.ts';

it('is committed as the routes and schemas have it (npm run openapi)', async () => {
  const document = `${JSON.stringify(openApiDocument(API_CONTROLLERS), null, 2)}\n`;
  await expect(document).toMatchFileSnapshot('../../openapi.json');
});
