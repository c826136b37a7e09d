const dark = matchMedia('(prefers-color-scheme: dark)');
const changed = new EventTarget();

/** Calls back when the colours changed; charts on a canvas draw again. */
export function onThemeChange(listener, signal) {
  changed.addEventListener('change', listener, { signal });
}

export function startTheme(button) {
  button.addEventListener('click', () => {
    const root = document.documentElement;
    const isDark = (root.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
    root.dataset.theme = isDark ? 'light' : 'dark';
    try {
      localStorage.setItem('solopo.theme', root.dataset.theme);
    } catch {
      // It lasts as long as the page.
    }
    forget();
  });
  dark.addEventListener('change', forget);
}

const colours = new Map();

/** What a custom property of a colour comes to now, for a canvas. */
export function colour(property) {
  const known = colours.get(property);
  if (known !== undefined) return known;
  const probe = document.createElement('span');
  probe.style.color = `var(${property})`;
  probe.hidden = true;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  colours.set(property, resolved);
  return resolved;
}

function forget() {
  colours.clear();
  changed.dispatchEvent(new Event('change'));
}
