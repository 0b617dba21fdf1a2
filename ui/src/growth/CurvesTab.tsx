// Panels of curves, of one run or of several laid over each other.
import {useState} from 'preact/hooks';
import {Chart, type Line} from './Chart';
import type {LiveRun} from './data';

interface Panel {
  title: string;
  keys: [string, string][];  // metric, label
}

// What tells most of how reasoning grows comes first.
const kPanels: Panel[] = [
  {title: 'Reward', keys: [['reward', 'sampled groups']]},
  {title: 'Accuracy on held-out problems', keys: [['eval/accuracy', 'sampled'], ['eval/greedy_accuracy', 'greedy']]},
  {title: 'Length, in tokens', keys: [['completions/mean_length', 'training'], ['eval/mean_length', 'held out']]},
  {title: 'Share that thinks first', keys: [['think_share', 'training'], ['eval/think_share', 'held out']]},
  {title: 'Reflection words an answer', keys: [['reflection_words', 'training'], ['eval/reflection_words', 'held out']]},
  {title: 'Loss', keys: [['loss', 'loss']]},
];
const kMore: Panel[] = [
  {title: 'Entropy', keys: [['entropy', 'entropy']]},
  {title: 'KL to the reference', keys: [['kl', 'kl']]},
  {title: 'Gradient norm', keys: [['grad_norm', 'before clipping']]},
  {title: 'Learning rate', keys: [['learning_rate', 'rate']]},
  {title: 'Groups that teach nothing', keys: [['frac_reward_zero_std', 'all rewards equal']]},
  {title: 'Answers cut at the cap', keys: [['completions/clipped_ratio', 'share']]},
  {title: 'Tokens a second', keys: [['tokens_per_second', 'step']]},
];

function linesOf(panel: Panel, runs: LiveRun[]): Line[] {
  return runs.flatMap((run, r) => panel.keys.flatMap(([key, label], k) => {
    const curve = run.curves.value.get(key);
    if (!curve) return [];
    const one = runs.length === 1;
    return [{
      label: one ? label : k === 0 ? run.name : `${run.name}, ${label}`,
      curve,
      colour: one ? k : r,
      dashed: !one && k > 0,
    }];
  }));
}

export function CurvesTab({runs, onStep}: {runs: LiveRun[]; onStep?: (step: number) => void}) {
  const [smoothing, setSmoothing] = useState(0);
  const [log, setLog] = useState(false);
  const [more, setMore] = useState(false);
  const [other, setOther] = useState('');
  const version = runs.reduce((sum, run) => sum + run.version.value, 0);
  const keys = [...new Set(runs.flatMap(run => run.curves.value.keys()))].sort();
  const panels = [...kPanels, ...(more ? kMore : [])];
  if (other && keys.includes(other)) panels.unshift({title: other, keys: [[other, other]]});
  const shown = panels.map(panel => ({panel, lines: linesOf(panel, runs)})).filter(({lines}) => lines.length > 0);
  const sync = runs.map(run => run.name).join(' ');
  return (
    <section aria-label="Curves">
      <div class="g-controls">
        <label class="g-control">Smoothing
          <input type="range" min="0" max="0.98" step="0.02" value={smoothing}
                 onInput={event => setSmoothing(Number(event.currentTarget.value))} />
        </label>
        <label class="g-control"><input type="checkbox" checked={log} onChange={event => setLog(event.currentTarget.checked)} />Logarithmic</label>
        <label class="g-control"><input type="checkbox" checked={more} onChange={event => setMore(event.currentTarget.checked)} />More curves</label>
        <label class="g-control">Also
          <select value={other} onChange={event => setOther(event.currentTarget.value)}>
            <option value="">choose a metric</option>
            {keys.map(key => <option key={key} value={key}>{key}</option>)}
          </select>
        </label>
      </div>
      {shown.length === 0 && <p class="g-empty">The first step has not ended yet. Curves appear here as steps are done.</p>}
      <div class="g-charts">
        {shown.map(({panel, lines}) => (
          <Chart key={panel.title} title={panel.title} lines={lines} log={log} smoothing={smoothing} version={version}
                 sync={sync} named={runs.length > 1} onStep={onStep} />
        ))}
      </div>
    </section>
  );
}
