import { expect, it } from 'vitest';
import { interrupted } from './interrupt.ts';

it('an interrupt that came before anybody waited for it is not waited for in vain', async () => {
  const interrupt = new AbortController();
  const later = interrupted(interrupt.signal);
  interrupt.abort();
  await expect(later).resolves.toBeUndefined();
  await expect(interrupted(interrupt.signal)).resolves.toBeUndefined();
});
