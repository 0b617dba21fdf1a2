// What the growth view knows of runs, asked of the server and kept while it is looked at.
import {signal, type Signal} from '@preact/signals';
import {fetchJson} from '../api';
import {Curves} from './curves';
import type {Answer, Group, MetricLine, Problem, Recipe, Run, RunDetails, SampledStep} from './types';

const kPollMs = 1000;
const kRestPollMs = 5000;  // of runs that are not running
const kKeptSteps = 24;

const at = (name: string) => `/api/runs/${encodeURIComponent(name)}`;

export const listRuns = () => fetchJson<{runs: Run[]; can_train: boolean}>('/api/runs');
export const listRecipes = () => fetchJson<{recipes: Recipe[]}>('/api/recipes');
export const stopRun = (name: string) => fetchJson<void>(`${at(name)}/stop`, {body: {}});
export const resumeRun = (name: string) => fetchJson<void>(`${at(name)}/resume`, {body: {}});
export const startRun = (recipe: string, name: string, set: string[]) =>
    fetchJson<Run>('/api/runs', {body: {recipe, name, set}});

// Calls `work` now and again until the returned function is called; never twice at once, never in a hidden page.
export function poll(work: () => Promise<number>): () => void {
  let timer = 0;
  let over = false;
  const turn = async () => {
    const rest = document.hidden ? kPollMs : await work();
    if (!over) timer = window.setTimeout(turn, rest);
  };
  void turn();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}

export function restOf(run: Run | null): number {
  return run === null || run.status === 'running' ? kPollMs : kRestPollMs;
}

// One run, followed while it is looked at.
export class LiveRun {
  readonly run: Signal<RunDetails | null> = signal(null);
  readonly failure = signal('');
  readonly curves = signal(new Curves());
  // Grows with each change of the curves, which are changed in place.
  readonly version = signal(0);
  readonly steps: Signal<SampledStep[]> = signal([]);
  private next = 0;
  private rewound = 0;
  private readonly groups = new Map<string, Promise<Group[]>>();
  private readonly answers = new Map<string, Promise<Answer>>();

  constructor(readonly name: string) {}

  // Everything that is new. Returns how long to rest.
  async refresh(): Promise<number> {
    try {
      const run = await fetchJson<RunDetails>(at(this.name));
      await this.readLines(run);
      if (run.total_step !== this.run.value?.total_step || this.steps.value.length === 0) await this.readSteps(run);
      this.run.value = run;
      this.failure.value = '';
    } catch (error) {
      this.failure.value = (error as Error).message;
    }
    return restOf(this.run.value);
  }

  private async readLines(run: RunDetails): Promise<void> {
    if (run.metrics === undefined) return;
    for (;;) {
      const page = await fetchJson<{lines: MetricLine[]; next: number; total: number; rewound: number}>(
          `${at(this.name)}/metrics?from=${this.next}`);
      if (page.rewound !== this.rewound || page.total < this.next) {
        this.rewound = page.rewound;
        this.curves.value = new Curves();
        this.groups.clear();
        if (this.next !== 0) {
          this.next = 0;
          continue;
        }
      }
      for (const line of page.lines) this.curves.value.add(line);
      this.next = page.next;
      if (page.lines.length > 0) ++this.version.value;
      if (this.next >= page.total || page.lines.length === 0) return;
    }
  }

  private async readSteps(run: RunDetails): Promise<void> {
    if (run.metrics === undefined) return;
    const {steps} = await fetchJson<{steps: SampledStep[]}>(`${at(this.name)}/samples`);
    if (steps.length !== this.steps.value.length) this.steps.value = steps;
  }

  groupsOf(step: SampledStep): Promise<Group[]> {
    const key = `${step.stage}/${step.step}`;
    return kept(this.groups, key, kKeptSteps, async () => {
      const query = `stage=${encodeURIComponent(step.stage)}&step=${step.step}`;
      return (await fetchJson<{groups: Group[]}>(`${at(this.name)}/samples?${query}`)).groups;
    });
  }

  problem(index: number): Promise<Problem> {
    return fetchJson<Problem>(`${at(this.name)}/problems?index=${index}`);
  }

  answer(index: number, checkpoint: string, temperature: number, seed: number): Promise<Answer> {
    const key = `${index} ${checkpoint} ${temperature} ${temperature > 0 ? seed : 0}`;
    return kept(this.answers, key, 2000, () => fetchJson<Answer>(
        `${at(this.name)}/answers`, {body: {index, checkpoint, temperature, seed}}));
  }
}

// What is at `key`, asked for once; failures are forgotten, and the oldest beyond `most`.
function kept<T>(map: Map<string, Promise<T>>, key: string, most: number, ask: () => Promise<T>): Promise<T> {
  const known = map.get(key);
  if (known) return known;
  const asked = ask();
  map.set(key, asked);
  asked.catch(() => map.delete(key));
  if (map.size > most) map.delete(map.keys().next().value!);
  return asked;
}

// The runs that are looked at, kept so that going back and forth asks nothing again.
const live = new Map<string, LiveRun>();

export function liveRun(name: string): LiveRun {
  let run = live.get(name);
  if (!run) live.set(name, run = new LiveRun(name));
  return run;
}

export const modelOf = (run: string, checkpoint: string) => `runs/${run}/${checkpoint}`;
