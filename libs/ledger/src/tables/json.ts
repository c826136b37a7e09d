import type { ColumnType } from 'kysely';

/** Read parsed, written as text: pg would turn an array into a Postgres array. */
export type Json<T> = ColumnType<T, string, string>;
