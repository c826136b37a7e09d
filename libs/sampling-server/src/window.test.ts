import { expect, it } from 'vitest';
import { Window } from './window.ts';

it('has room for half as many once there is too much to do, and for one more with each windowful that is answered', async () => {
  const window = new Window(8);
  for (let i = 0; i < 20; i++) await window.run(() => Promise.resolve());
  expect(window.size).toBe(8);
  window.shrink();
  // Of the same overload.
  window.shrink();
  expect(window.size).toBe(4);
  for (let i = 0; i < 5; i++) await window.run(() => Promise.resolve());
  expect(window.size).toBe(5);
});

it('has no room until one ends, which need not end well', async () => {
  const window = new Window(1);
  const first = Promise.withResolvers<void>();
  const running = window.run(() => first.promise);
  let hasRoom = false;
  const waiting = window.room().then(() => (hasRoom = true));
  await Promise.resolve();
  expect(hasRoom).toBe(false);
  first.reject(new Error('the server died'));
  await expect(running).rejects.toThrow('the server died');
  await waiting;
  expect(hasRoom).toBe(true);
});
