/** Small elements and charts, built node by node: no text from the server is ever parsed as HTML. */
const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element with attributes and children; strings become text nodes. */
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The next round number for an axis. */
function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

/**
 * A chart of the last ten minutes.
 * `series`: `{ column, name, format }` and, for the second axis, `scale: true`; `samples`: rows of numbers, time first.
 */
class Chart {
  constructor(place, legend, { series, format, filled = false, logarithmic = false }) {
    Object.assign(this, { place, legend, series, format, filled, logarithmic });
    this.samples = [];
    new ResizeObserver(() => this.draw()).observe(place);
    place.addEventListener('pointermove', (event) => this.point(event));
    place.addEventListener('pointerleave', () => { this.pointed = undefined; this.draw(); });
  }

  show(samples, now) {
    Object.assign(this, { samples, now });
    this.draw();
  }

  point(event) {
    this.pointed = event.clientX - this.place.getBoundingClientRect().left;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !this.now) return;
    const size = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const left = 54 * size, right = 8, top = 8, bottom = 22 * size;
    // The span with data, in whole minutes.
    const span = Math.min(10, Math.max(1, Math.ceil((this.now - (this.samples[0]?.[0] ?? this.now)) / 60_000))) * 60_000;
    const start = this.now - span;
    const x = (time) => left + ((time - start) / span) * (width - left - right);
    const values = this.samples.flatMap((row) => this.series.map(({ column }) => row[column])).filter((value) => value !== null);
    const scale = this.logarithmic ? this.logScale(values, top, height - bottom) : this.linearScale(values, top, height - bottom);
    const drawing = svg('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
    for (const tick of scale.ticks) {
      drawing.append(svg('line', { class: 'gridline', x1: left, x2: width - right, y1: scale.y(tick), y2: scale.y(tick) }));
      drawing.append(svg('text', { x: left - 8, y: scale.y(tick) + 4 * size, 'text-anchor': 'end' }, this.format(tick)));
    }
    for (const [ago, anchor] of [[span, 'start'], [span / 2, 'middle'], [0, 'end']]) {
      const told = ago >= 120_000 || ago === 60_000 ? say('minutesAgo', number(ago / 60_000, 1)) : say('secondsAgo', ago / 1_000);
      drawing.append(svg('text', { x: x(this.now - ago), y: height - 4, 'text-anchor': anchor }, ago ? told : say('now')));
    }
    this.series.forEach((one, index) => {
      const runs = this.runs(one.column, x, scale.y);
      if (this.filled && index === 0) {
        for (const run of runs) drawing.append(svg('path', { class: 'area', d: `M${run[0][0]} ${height - bottom}L${run.map((at) => at.join(' ')).join('L')}L${run.at(-1)[0]} ${height - bottom}Z` }));
      }
      const path = runs.map((run) => `M${run.map((at) => at.join(' ')).join('L')}${run.length === 1 ? 'h1.5' : ''}`).join('');
      drawing.append(svg('path', { class: `curve s${index + 1}`, d: path }));
    });
    const parts = [drawing];
    const pointed = this.pointedSample(x, left);
    if (pointed) {
      drawing.append(svg('line', { class: 'cursor', x1: x(pointed[0]), x2: x(pointed[0]), y1: top, y2: height - bottom }));
      const told = this.series.map(({ column, name, format = this.format }) => `${say(name)} ${pointed[column] === null ? '–' : format(pointed[column])}`);
      const tip = el('div', { class: 'tip' }, `${clockTime(pointed[0])} · ${told.join(' · ')}`);
      tip.style.left = `${Math.min(x(pointed[0]) + 8, Math.max(0, width - 320 * size))}px`;
      parts.push(tip);
    }
    if (!values.length) parts.push(el('p', { class: 'nothing' }, say('noData')));
    this.place.replaceChildren(...parts);
    this.tell();
  }

  /** The points of a series, interrupted where there is no data. */
  runs(column, x, y) {
    const runs = [];
    let run;
    for (const row of this.samples) {
      if (row[column] === null || x(row[0]) < 0) { run = undefined; continue; }
      if (!run) runs.push(run = []);
      run.push([x(row[0]).toFixed(1), y(row[column]).toFixed(1)]);
    }
    return runs;
  }

  linearScale(values, top, bottom) {
    const most = niceCeiling(Math.max(1, ...values));
    return { ticks: [0, most / 2, most], y: (value) => bottom - (value / most) * (bottom - top) };
  }

  logScale(values, top, bottom) {
    const exponents = values.filter((value) => value > 0).map((value) => Math.log10(value));
    const low = Math.min(-4, ...exponents.map(Math.floor)), high = Math.max(-2, ...exponents.map(Math.ceil));
    const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
    const y = (value) => bottom - ((Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)) * (bottom - top);
    return { ticks: ticks.length > 5 ? ticks.filter((_, index) => index % 2 === 0) : ticks, y };
  }

  pointedSample(x, left) {
    if (this.pointed === undefined || this.pointed < left || !this.samples.length) return undefined;
    const far = (row) => Math.abs(x(row[0]) - this.pointed);
    return this.samples.reduce((near, row) => (far(row) < far(near) ? row : near));
  }

  /** The newest values, beside the line of each, and as text for screen readers. */
  tell() {
    const last = this.samples.at(-1);
    const items = this.series.map(({ column, name, format = this.format }, index) => {
      const value = last?.[column] ?? null;
      return { name: say(name), index, value: value === null ? '–' : format(value) };
    });
    this.place.setAttribute('role', 'img');
    this.place.setAttribute('aria-label', items.map(({ name, value }) => `${name}: ${value}`).join(', '));
    this.legend.replaceChildren(...items.map(({ name, index, value }) => el('li', {},
      svg('svg', { viewBox: '0 0 26 8', 'aria-hidden': 'true' }, svg('line', { class: `swatch s${index + 1}`, x1: 1, x2: 25, y1: 4, y2: 4 })), `${name} `, el('b', {}, value))));
  }
}
