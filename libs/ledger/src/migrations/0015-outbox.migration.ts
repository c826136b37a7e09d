import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table outbox (
      id bigint primary key generated always as identity,
      subject text not null,
      message_id text not null unique,
      payload jsonb not null,
      created_at timestamptz not null default clock_timestamp(),
      published_at timestamptz
    );

    create index outbox_unpublished on outbox (id) where published_at is null;

    -- A relay that listens need not poll.
    create function announce_outbox() returns trigger language plpgsql as $$
    begin
      notify outbox;
      return null;
    end
    $$;

    create trigger announce after insert on outbox for each statement execute function announce_outbox();
  `.execute(db);
}
