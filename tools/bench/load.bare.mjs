// A Nest server with one route and nothing around it: what the same rows cost at the least. Prints its address.
import 'reflect-metadata';
import { Controller, Get, Module, Query } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import pg from 'pg';

const [databaseUrl, statements] = [process.argv[2], JSON.parse(process.argv[3])];
const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });

class Bare {
  async rows(name) {
    const [text, values] = statements[name];
    return (await pool.query(text, values)).rows;
  }
}
Get('rows')(Bare.prototype, 'rows', Object.getOwnPropertyDescriptor(Bare.prototype, 'rows'));
Query('of')(Bare.prototype, 'rows', 0);
Controller()(Bare);
class BareModule {}
Module({ controllers: [Bare] })(BareModule);

const app = await NestFactory.create(BareModule, { logger: false });
await app.listen(0, '127.0.0.1');
process.stdout.write(`${await app.getUrl()}\n`);
