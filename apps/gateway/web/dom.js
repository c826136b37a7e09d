const SVG = 'http://www.w3.org/2000/svg';

/** `h('a', { class: 'x', href, onclick }, 'text', child)`: an element. Nothing is ever read as HTML. */
export function h(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(Infinity).filter(isThere));
  return element;
}

/** Puts the children in place of what is there; `false` and `null` are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isThere));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const isThere = (child) => child !== undefined && child !== null && child !== false;
