import uPlot from '/vendor/uplot/uPlot.esm.js';
import { fill, h, setText } from '../dom.js';
import { metric } from '../format.js';
import { downsample, lowerBound } from '../model/downsample.js';
import { stack } from '../model/stack.js';
import { ViewRange } from '../model/view-range.js';
import { colour, onThemeChange } from '../theme.js';
import { perFrame } from '../timing.js';
import { valuesTable } from './values-table.js';

const HEIGHT = 190;
/** With more, the line says enough. */
const MAX_POINTS = 15;
/** Drawn at most, over the width of the chart: more than pixels cannot be told apart. */
export const MAX_DRAWN = 2000;
const KEYS = 'Arrow keys move along the axis, plus and minus zoom, 0 shows all.';
const FONT = '11px Inter, system-ui, sans-serif';

/**
 * A chart of some metrics by step, with its figures in the head (the last, or those under the pointer) and all of them
 * in a table below.
 * Dragging or plus and minus zoom in, arrow keys and sideways scrolling move, a double click or 0 shows all again.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.hint  What to look for.
 * @param {{ metric: string, label: string, colour: string, dash?: boolean, quiet?: boolean }[]} options.lines
 * @param {[number, number]} [options.range]  Of the values, where they are bound.
 * @param {boolean} [options.stacked]  As areas one on the other, the first at the bottom.
 * @param {string} options.sync  Charts of one key show the same step under the pointer.
 * @param {import('../model/series.js').Series} series
 */
export function lineChart({ title, hint, lines, range, sync, stacked = false }, series, signal) {
  const keys = new Map();
  const legend = h('ul', { class: 'legend' });
  const frame = h('div', {
    class: 'chart-frame',
    role: 'img',
    tabindex: 0,
    'aria-label': `${title}: nothing measured yet`,
    'aria-keyshortcuts': 'ArrowLeft ArrowRight + - 0',
  });
  const empty = h('p', { class: 'chart-empty' }, 'Nothing measured yet');
  const table = valuesTable(title, () => ({ steps: series.steps, columns: shown().map(columnOf) }));
  const element = h(
    'figure',
    { class: 'chart card', 'aria-label': title },
    h('figcaption', {}, h('h3', {}, title), hint && h('p', { class: 'hint' }, hint)),
    legend,
    h('div', { class: 'chart-place' }, frame, empty),
    table.element,
  );
  let plot = null;
  let planned = null;
  let drawn = '';

  const shown = () => lines.filter(({ metric: name }) => series.column(name).some((value) => value !== null));
  const columnOf = (line) => ({ label: line.label, values: series.column(line.metric) });
  const view = new ViewRange();
  let drawnSteps = [];
  const extent = () => [Math.min(series.steps[0] ?? 0, 1), Math.max(series.last, planned ?? 0, 2)];
  const data = () => {
    const [from, to] = view.of(-Infinity, Infinity);
    const own = shown().map(({ metric: name }) => series.column(name));
    // What reaches higher is drawn first, and what lies before it covers it.
    const columns = stacked ? stack(own).reverse() : own;
    const part = downsample(series.steps, columns, { from, to, limit: MAX_DRAWN });
    drawnSteps = part.xs;
    frame.dataset.drawn = String(part.xs.length);
    return [part.xs, ...part.columns];
  };
  /** Of the series, at the place under the pointer. */
  const indexOf = (drawnIndex) => lowerBound(series.steps, drawnSteps[drawnIndex] ?? series.last);

  const figures = (index) => {
    for (const { metric: name } of shown())
      setText(
        keys.get(name),
        metric(series.column(name)[index] ?? (stacked ? 0 : series.column(name).findLast((value) => value !== null))),
      );
  };

  const build = () => {
    const visible = shown();
    drawn = visible.map(({ metric: name }) => name).join();
    keys.clear();
    fill(
      legend,
      visible.map((line) => {
        const value = h('b', {}, '');
        keys.set(line.metric, value);
        return h(
          'li',
          { title: line.metric },
          h('i', { class: line.dash ? 'dash' : '', style: { '--line': `var(${line.colour})` } }),
          line.label,
          value,
        );
      }),
    );
    plot?.destroy();
    plot = new uPlot(
      optionsOf({
        visible: stacked ? visible.toReversed() : visible,
        range: stacked ? fromZero : range,
        stacked,
        sync,
        width: frame.clientWidth,
        extent: () => view.of(...extent()),
        zoomed: (range) => {
          view.set(range, extent());
          redraw();
        },
        reset: () => {
          view.whole();
          redraw();
        },
        hover: (index) => figures(index === null ? series.steps.length - 1 : indexOf(index)),
      }),
      data(),
      frame,
    );
    frame.querySelector('.u-wrap')?.setAttribute('aria-hidden', 'true');
  };

  const redraw = perFrame(() => plot?.setData(data()));
  const steer = (event) => {
    const act = {
      ArrowLeft: () => view.move(-0.2, extent()),
      ArrowRight: () => view.move(0.2, extent()),
      '+': () => view.zoom(0.5, extent()),
      '=': () => view.zoom(0.5, extent()),
      '-': () => view.zoom(2, extent()),
      0: () => view.whole(),
    }[event.key];
    if (act === undefined || plot === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
    redraw();
  };
  frame.addEventListener('keydown', steer);
  // Sideways only: what scrolls the page goes on to do so.
  frame.addEventListener(
    'wheel',
    (event) => {
      if (plot === null || Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      view.move(event.deltaX / frame.clientWidth, extent());
      redraw();
    },
    { passive: false },
  );

  const draw = () => {
    const visible = shown();
    empty.hidden = visible.length > 0;
    if (visible.length === 0 || frame.clientWidth === 0) return;
    if (plot === null || drawn !== visible.map(({ metric: name }) => name).join()) build();
    else plot.setData(data());
    figures(series.steps.length - 1);
    const last = visible.map(({ label, metric: name }) => `${label} ${metric(series.column(name).at(-1))}`).join(', ');
    frame.setAttribute(
      'aria-label',
      `${title} by step. At step ${series.last}: ${last}. All values are in the table below. ${KEYS}`,
    );
  };

  const resized = new ResizeObserver(() => {
    if (plot === null) draw();
    else if (frame.clientWidth > 0) plot.setSize({ width: frame.clientWidth, height: HEIGHT });
  });
  resized.observe(frame);
  onThemeChange(() => plot?.redraw(false), signal);
  signal.addEventListener('abort', () => {
    resized.disconnect();
    plot?.destroy();
  });

  return {
    element,
    /** @param {number | null} end  The last step planned: the axis reaches it from the start. */
    update(end) {
      planned = end;
      draw();
      table.update();
    },
  };
}

function optionsOf({ visible, range, stacked, sync, width, extent, zoomed, reset, hover }) {
  const axis = {
    stroke: () => colour('--muted'),
    font: FONT,
    grid: { stroke: () => colour('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: sync, setSeries: false },
      drag: { setScale: false, x: true, y: false },
      bind: { dblclick: () => reset },
      points: { size: 7 },
      y: false,
    },
    scales: {
      x: {
        time: false,
        range: () => extent(),
      },
      y: range === undefined ? { range: paddedRange } : { range },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 26, gap: 6, incrs: WHOLE, space: 60 },
      { ...axis, size: 46, gap: 6, space: 34, values: (_, splits) => splits.map(tick) },
    ],
    series: [
      {},
      ...visible.map(({ colour: property, dash, quiet }) => ({
        stroke: () => colour(property),
        width: quiet ? 1 : 1.75,
        ...(dash && { dash: [4, 4] }),
        ...(stacked && { fill: () => colour(property) }),
        spanGaps: true,
        points: { show: ({ data }) => !stacked && data[0].length <= MAX_POINTS, size: 5, fill: () => colour(property) },
      })),
    ],
    hooks: {
      setCursor: [({ cursor }) => hover(cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width: selected } = plot.select;
          if (selected < 4) return;
          zoomed([plot.posToVal(left, 'x'), plot.posToVal(left + selected, 'x')]);
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
    },
  };
}

const WHOLE = [1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 2500, 5000, 10_000, 20_000, 50_000, 100_000];

function paddedRange(_, min, max) {
  if (min === null || max === null) return [0, 1];
  const margin = (max - min || Math.abs(max) || 1) * 0.08;
  const low = min >= 0 && min < 0.35 * max ? 0 : min - margin;
  return [low, max + margin];
}

function fromZero(_, __, max) {
  return [0, 1.08 * (max || 1)];
}

function tick(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 100_000)) return String(Number(value.toPrecision(2)).toExponential());
  return String(Number(value.toPrecision(6))).replace('-', '\u2212');
}
