/** What Jinja, or Python under it, refuses too: the template is wrong, or wrong for these messages. */
export class JinjaError extends Error {
  override readonly name = 'JinjaError';
}

/** What Jinja renders and this interpreter does not: refused by name, never rendered otherwise. */
export class NotRendered extends Error {
  override readonly name = 'NotRendered';

  constructor(what: string) {
    super(`${what} is not rendered here as Jinja does; write the template without it`);
  }
}
