// A run's lines as curves: what is drawn, smoothed and read out.
//   const curves = new Curves(); curves.add(line); curves.get('reward')?.values
import type {MetricLine} from './types';

export interface Curve {
  steps: number[];
  values: number[];
}

const kNoCurve = new Set(['step', 'total_step', 'time']);

export class Curves {
  private readonly curves = new Map<string, Curve>();

  add(line: MetricLine): void {
    const step = line['total_step'];
    if (typeof step !== 'number') return;
    for (const [key, value] of Object.entries(line)) {
      if (typeof value !== 'number' || !Number.isFinite(value) || kNoCurve.has(key)) continue;
      // What a stage began with is the curve's first point.
      const base = key.startsWith('base_');
      const name = base ? key.slice(5) : key;
      let curve = this.curves.get(name);
      if (!curve) this.curves.set(name, curve = {steps: [], values: []});
      curve.steps.push(base ? step - 1 : step);
      curve.values.push(value);
    }
  }

  get(key: string): Curve | undefined {
    return this.curves.get(key);
  }

  keys(): string[] {
    return [...this.curves.keys()].sort();
  }
}

// An exponential mean that does not begin at 0. `amount` 0: as it is, towards 1: smoother.
export function smooth(values: number[], amount: number): number[] {
  if (amount <= 0) return values;
  let mean = 0;
  let weight = 0;
  return values.map(value => {
    mean = amount * mean + (1 - amount) * value;
    weight = amount * weight + (1 - amount);
    return mean / weight;
  });
}

// Curves over one axis of steps, as uPlot takes them: null where a curve has no value.
export function aligned(curves: Curve[]): [number[], ...(number | null)[][]] {
  const steps = [...new Set(curves.flatMap(curve => curve.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const columns = curves.map(curve => {
    const column: (number | null)[] = new Array(steps.length).fill(null);
    curve.steps.forEach((step, i) => column[place.get(step)!] = curve.values[i]!);
    return column;
  });
  return [steps, ...columns];
}

export function readable(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

// "step-000200" is 200; "final" is where the run stands.
export function stepOf(checkpoint: string, total: number): number {
  return checkpoint.startsWith('step-') ? Number(checkpoint.slice(5)) : total;
}
