import { Body, Controller, Delete, Get, Inject, Param, Post } from '@nestjs/common';
import {
  createTokenSchema,
  issuedTokenSchema,
  tokenViewSchema,
  type IssuedToken,
  type TokenView,
} from '@solopo/contracts';
import { Ledger } from '@solopo/ledger';
import { z } from 'zod';
import { Valid, validName } from '../http/valid.pipe.ts';
import { Operation } from '../openapi/operation.decorator.ts';
import { newToken, hashOf } from './token.ts';

@Controller('v1/tokens')
export class TokensController {
  constructor(@Inject(Ledger) private readonly ledger: Ledger) {}

  @Post()
  @Operation('issueToken', {
    summary: 'A new token, which is shown this once',
    scope: 'admin',
    answer: issuedTokenSchema,
  })
  async issue(@Body(new Valid(createTokenSchema)) body: z.infer<typeof createTokenSchema>): Promise<IssuedToken> {
    const token = newToken();
    return { ...(await this.ledger.tokens.issue({ ...body, hash: hashOf(token) })), token };
  }

  @Get()
  @Operation('listTokens', {
    summary: 'All tokens, also revoked ones, without the secrets',
    scope: 'admin',
    answer: z.array(tokenViewSchema),
  })
  async list(): Promise<readonly TokenView[]> {
    return this.ledger.tokens.list();
  }

  @Delete(':name')
  @Operation('revokeToken', {
    summary: 'From now on the token is refused',
    scope: 'admin',
    answer: tokenViewSchema,
  })
  async revoke(@Param('name', validName) name: string): Promise<TokenView> {
    return this.ledger.tokens.revoke(name);
  }
}
