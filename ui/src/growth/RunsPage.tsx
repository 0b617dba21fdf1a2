// All runs: where they stand, and the way to each, to comparing some, and to a new one.
import {useEffect, useState} from 'preact/hooks';
import {Button, Trouble} from '../components/controls';
import {Icon} from '../components/icons';
import {go} from '../router';
import {readable} from './curves';
import {listRuns, poll, restOf} from './data';
import type {Run} from './types';

export const runLink = (name: string) => `#/growth/run/${encodeURIComponent(name)}`;

export function StatusPill({run}: {run: Run}) {
  const text = run.stopping ? 'stopping' : run.status === 'stopped' && run.message ? 'failed' : run.status;
  return <span class={`g-pill ${text}`}>{text}</span>;
}

export function Progress({run}: {run: Run}) {
  if (run.steps === 0) return <span class="g-muted">{run.status === 'running' ? 'starting' : 'nothing done'}</span>;
  const done = Math.min(1, run.total_step / run.steps);
  return (
    <span class="g-progress">
      <progress max={run.steps} value={run.total_step} aria-label={`${run.total_step} of ${run.steps} steps`}>{Math.round(100 * done)} %</progress>
      <span>{run.total_step}<span class="g-muted"> / {run.steps}</span></span>
    </span>
  );
}

const kShown: [string, string][] = [
  ['reward', 'reward'], ['eval/accuracy', 'accuracy'], ['think_share', 'thinks'], ['completions/mean_length', 'length'], ['loss', 'loss'],
];

export function ago(time: number, now = Date.now() / 1000): string {
  const s = Math.max(0, now - time);
  if (time === 0) return '';
  if (s < 60) return 'just now';
  if (s < 3600) return `${Math.round(s / 60)} min ago`;
  if (s < 86_400) return `${Math.round(s / 3600)} h ago`;
  return new Date(time * 1000).toLocaleDateString('en', {day: 'numeric', month: 'short', year: 'numeric'});
}

export function RunsPage() {
  const [runs, setRuns] = useState<Run[] | null>(null);
  const [train, setTrain] = useState(false);
  const [failure, setFailure] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  useEffect(() => poll(async () => {
    try {
      const answer = await listRuns();
      setRuns(answer.runs);
      setTrain(answer.can_train);
      setFailure('');
      return restOf(answer.runs.find(run => run.status === 'running') ?? answer.runs[0] ?? null);
    } catch (error) {
      setFailure((error as Error).message);
      return 5000;
    }
  }), []);
  const toggle = (name: string) => setChosen(chosen.includes(name) ? chosen.filter(one => one !== name) : [...chosen, name]);
  return (
    <>
      <header class="g-head">
        <h1>Growth</h1>
        <span class="g-space" />
        {chosen.length > 1 && (
          <Button icon="columns" onClick={() => go(`#/growth/compare/${chosen.map(encodeURIComponent).join('/')}`)}>{`Compare ${chosen.length}`}</Button>
        )}
        {train && runs && runs.length > 0 && <a class="button primary" href="#/growth/new"><Icon name="plus" />New run</a>}
      </header>
      {failure && <Trouble text={failure} />}
      {runs && runs.length === 0 && <NoRuns train={train} />}
      <ul class="g-runs">
        {runs?.map(run => (
          <li key={run.name} class="g-run">
            <input type="checkbox" aria-label={`Compare ${run.name}`} checked={chosen.includes(run.name)} onChange={() => toggle(run.name)} />
            <a href={runLink(run.name)}>
              <span class="g-run-name">{run.name}</span>
              <StatusPill run={run} />
              <span class="g-muted g-run-when">{run.stage}{run.stage && ', '}{ago(run.updated)}</span>
              <Progress run={run} />
              <span class="g-run-values">
                {kShown.filter(([key]) => run.last[key] !== undefined).slice(0, 4).map(([key, label]) => (
                  <span key={key}><span class="g-muted">{label}</span> {readable(run.last[key]!)}</span>
                ))}
              </span>
              {run.message && run.status === 'stopped' && <span class="g-run-message">{run.message}</span>}
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function NoRuns({train}: {train: boolean}) {
  return (
    <div class="g-empty-page">
      <h2>No run yet</h2>
      <p>
        A run takes a model that answers without thinking, gives it problems whose answers can be checked, and rewards what is right. Thinking grows
        by itself. The recipe <code>parity</code> shows it in about a minute.
      </p>
      {train ? <a class="button primary" href="#/growth/new?recipe=parity"><Icon name="plus" />Start a run</a> :
        <p>Start one in a terminal: <code>aha train recipes/parity.toml</code></p>}
    </div>
  );
}
