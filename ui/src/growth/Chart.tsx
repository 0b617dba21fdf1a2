// One panel of curves over the steps, drawn by uPlot: what is under the pointer, or under the arrow keys, is read out
// above it.
import {useEffect, useMemo, useRef, useState} from 'preact/hooks';
import uPlot from 'uplot';
import {theme} from '../theme';
import {aligned, type Curve, readable, smooth} from './curves';

export interface Line {
  label: string;
  curve: Curve;
  colour: number;  // of the palette
  dashed?: boolean;
}

interface ChartProps {
  title: string;
  lines: Line[];
  log: boolean;
  smoothing: number;
  version: number;
  sync: string;
  named: boolean;  // a line alone is named too
  onStep?: (step: number) => void;
}

const kHeight = 190;

// Scheme changes of the system, so that canvases are drawn anew.
function useScheme(): string {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const media = matchMedia('(prefers-color-scheme: dark)');
    const change = () => setDark(media.matches);
    media.addEventListener('change', change);
    return () => media.removeEventListener('change', change);
  }, []);
  return `${theme.value} ${dark}`;
}

function colourOf(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim() || '#888';
}

// Curves drawn for `lines`: with smoothing each is there twice, as it is and smoothed.
function drawn(lines: Line[], smoothing: number): {line: Line; curve: Curve; faint: boolean}[] {
  return lines.flatMap(line => {
    if (smoothing <= 0 || line.curve.values.length < 3) return [{line, curve: line.curve, faint: false}];
    const curve = {steps: line.curve.steps, values: smooth(line.curve.values, smoothing)};
    return [{line, curve: line.curve, faint: true}, {line, curve, faint: false}];
  });
}

function optionsFor(root: Element, all: ReturnType<typeof drawn>, log: boolean, sync: string, width: number,
                    onMove: (index: number | null) => void): uPlot.Options {
  const ink = colourOf(root, '--g-muted');
  const grid = colourOf(root, '--g-grid');
  const font = '11px system-ui, sans-serif';
  const axis = {stroke: ink, grid: {stroke: grid, width: 1}, ticks: {show: false}, font};
  return {
    width,
    height: kHeight,
    legend: {show: false},
    cursor: {sync: {key: sync}, y: false, points: {size: 7}, drag: {x: false, y: false}},
    scales: {x: {time: false}, y: log ? {distr: 3} : {range: (_u, low, high) => padded(low, high)}},
    axes: [
      {...axis, grid: {show: false}, size: 26, gap: 4, space: 60, values: (_u, splits) => splits.map(s => Number.isInteger(s) ? String(s) : '')},
      {...axis, size: 46, gap: 4, space: 36, values: (_u, splits) => splits.map(s => s === null ? '' : readable(s))},
    ],
    series: [
      {},
      ...all.map(({line, faint}) => ({
        label: line.label,
        stroke: colourOf(root, `--g-line-${line.colour % 6}`),
        alpha: faint ? 0.25 : 1,
        width: faint ? 1 : 1.75,
        dash: line.dashed ? [5, 4] : undefined,
        spanGaps: true,
        points: {show: line.curve.values.length < 2},
      })),
    ],
    hooks: {setCursor: [u => onMove(u.cursor.idx ?? null)]},
  };
}

function padded(low: number, high: number): [number, number] {
  if (low === null || high === null) return [0, 1];
  const pad = high > low ? (high - low) * 0.08 : Math.abs(high) * 0.1 || 0.1;
  // What cannot be negative is not shown as if it could.
  return [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
}

function summary(title: string, lines: Line[]): string {
  const parts = lines.filter(line => line.curve.values.length > 0).map(({label, curve}) => {
    const last = curve.values.length - 1;
    return `${label} from ${readable(curve.values[0]!)} to ${readable(curve.values[last]!)} over steps ` +
        `${curve.steps[0]} to ${curve.steps[last]}`;
  });
  return `${title}: ${parts.join('; ')}. Arrow keys read values.`;
}

export function Chart({title, lines, log, smoothing, version, sync, named, onStep}: ChartProps) {
  const root = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [index, setIndex] = useState<number | null>(null);
  const scheme = useScheme();
  const shape = lines.map(line => `${line.label}:${line.colour}`).join('|');
  const all = useMemo(() => drawn(lines, smoothing), [version, shape, smoothing]);
  const data = useMemo(() => aligned(all.map(one => one.curve)), [all]);
  // A logarithm needs something above 0.
  const positive = lines.some(line => line.curve.values.some(value => value > 0));

  useEffect(() => {
    const element = root.current!;
    const shown = log ? positiveOnly(data) : data;
    const u = new uPlot(optionsFor(element, all, log && positive, sync, Math.max(160, element.clientWidth), setIndex),
                        shown as uPlot.AlignedData, element);
    plot.current = u;
    const watch = new ResizeObserver(() => {
      if (element.clientWidth > 0 && element.clientWidth !== u.width) u.setSize({width: element.clientWidth, height: kHeight});
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      u.destroy();
      plot.current = null;
    };
    // New values alone do not make a new plot: below.
  }, [shape, log, positive, smoothing > 0, scheme, sync]);
  useEffect(() => plot.current?.setData((log ? positiveOnly(data) : data) as uPlot.AlignedData), [data, log]);

  const steps = data[0];
  const at = index !== null && index < steps.length ? index : null;
  const key = (event: KeyboardEvent) => {
    const move = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity}[event.key];
    if (move !== undefined && steps.length > 0) {
      event.preventDefault();
      const next = Math.min(steps.length - 1, Math.max(0, (at ?? steps.length - 1) + move));
      const u = plot.current!;
      u.setCursor({left: u.valToPos(steps[next]!, 'x'), top: 20});
    }
    if (event.key === 'Enter' && at !== null) onStep?.(steps[at]!);
    if (event.key === 'Escape') plot.current?.setCursor({left: -10, top: -10});
  };
  return (
    <figure class="g-chart">
      <figcaption>
        <span class="g-chart-title">{title}</span>
        <Readout lines={lines} all={all} data={data} at={at} named={named || lines.length > 1} />
      </figcaption>
      <div class={`g-plot ${onStep ? 'clicks' : ''}`} ref={root} tabIndex={0} role="img" aria-label={summary(title, lines)} onKeyDown={key}
           onClick={() => at !== null && onStep?.(steps[at]!)} />
    </figure>
  );
}

function positiveOnly(data: ReturnType<typeof aligned>): ReturnType<typeof aligned> {
  const [steps, ...columns] = data;
  return [steps, ...columns.map(column => column.map(value => value !== null && value > 0 ? value : null))];
}

// The value of each line at the pointer; its last without one.
function Readout({lines, all, data, at, named}: {
  lines: Line[]; all: ReturnType<typeof drawn>; data: ReturnType<typeof aligned>; at: number | null; named: boolean;
}) {
  const [steps, ...columns] = data;
  const value = (line: Line): number | null => {
    const column = columns[all.findIndex(one => one.line.label === line.label && !one.faint)];
    if (!column) return null;
    for (let i = at ?? steps.length - 1; i >= 0; --i) {
      if (column[i] != null) return column[i]!;
    }
    return null;
  };
  return (
    <span class="g-readout" aria-live="polite">
      {at !== null && <span class="g-at">step {steps[at]}</span>}
      {lines.map(line => {
        const now = value(line);
        return (
          <span key={line.label} class="g-value">
            <span class={`g-key c${line.colour % 6} ${line.dashed ? 'dashed' : ''}`} aria-hidden="true" />
            {named && <span class="g-label">{line.label}</span>}
            <b>{now === null ? '–' : readable(now)}</b>
          </span>
        );
      })}
    </span>
  );
}
