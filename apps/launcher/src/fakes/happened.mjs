import pg from 'pg';

/** @param {string} what */
export async function happened(what) {
  const database = new pg.Client({ connectionString: process.env.SOLOPO_DATABASE_URL });
  await database.connect();
  await database.query('insert into happened (what) values ($1)', [what]);
  await database.end();
}
