// One run: its curves, its groups, one problem through its checkpoints, its recipe; and stopping or resuming it.
import {useEffect, useState} from 'preact/hooks';
import {Button, Spinner, Trouble} from '../components/controls';
import {Icon} from '../components/icons';
import {replace, route} from '../router';
import {AnswersTab} from './AnswersTab';
import {CurvesTab} from './CurvesTab';
import {type LiveRun, liveRun, modelOf, poll, resumeRun, stopRun} from './data';
import {Progress, runLink, StatusPill} from './RunsPage';
import {SamplesTab} from './SamplesTab';

type Tab = 'curves' | 'samples' | 'problem' | 'recipe';
const kTabs: [Tab, string][] = [['curves', 'Curves'], ['samples', 'Groups'], ['problem', 'One problem'], ['recipe', 'Recipe']];

export function RunPage({name}: {name: string}) {
  const run = liveRun(name);
  const [failure, setFailure] = useState('');
  useEffect(() => poll(() => run.refresh()), [run]);
  const details = run.run.value;
  const query = route.value.query;
  const tab = (kTabs.find(([id]) => id === query.get('tab')) ?? kTabs[0]!)[0];
  const step = query.get('step') === null ? null : Number(query.get('step'));
  const show = (next: Tab, total: number | null = null) =>
      replace(`${runLink(name)}?tab=${next}${total === null ? '' : `&step=${total}`}`);
  const act = async (work: (name: string) => Promise<void>) => {
    setFailure('');
    try {
      await work(name);
    } catch (error) {
      setFailure((error as Error).message);
    }
    await run.refresh();
  };
  if (!details) {
    return run.failure.value ? <Trouble text={run.failure.value} /> : <Spinner label="Reading the run" />;
  }
  const last = details.checkpoints[details.checkpoints.length - 1];
  return (
    <>
      <nav class="g-crumbs" aria-label="Where this is"><a href="#/growth"><Icon name="left" />All runs</a></nav>
      <header class="g-head">
        <h1>{name}</h1>
        <StatusPill run={details} />
        <Progress run={details} />
        {details.stage && <span class="g-muted">{details.stage}</span>}
        <div class="g-actions">
          {details.status === 'running' &&
            <Button icon="stop" disabled={details.stopping} onClick={() => void act(stopRun)}>{details.stopping ? 'Stopping' : 'Stop'}</Button>}
          {details.status === 'stopped' && details.steps > 0 && <Button icon="forward" onClick={() => void act(resumeRun)}>Resume</Button>}
          {last && <a class="button plain" href={`#/?model=${encodeURIComponent(modelOf(name, last))}`}><Icon name="chat" />Chat</a>}
          {last && details.checkpoints.length > 1 && <SideBySide run={run} />}
        </div>
      </header>
      {details.stopping && <p class="g-note" role="status">It writes a checkpoint after this step and ends. Resume goes on from there, to the same bits.</p>}
      {(failure || run.failure.value || (details.status === 'stopped' && details.message)) &&
        <Trouble text={failure || run.failure.value || details.message || ''} />}
      <Tabs tab={tab} onTab={next => show(next)} />
      <div role="tabpanel" id="g-panel" aria-labelledby={`g-tab-${tab}`}>
        {tab === 'curves' && <CurvesTab runs={[run]} onStep={total => show('samples', total)} />}
        {tab === 'samples' && <SamplesTab run={run} total={step} onTotal={total => show('samples', total)} />}
        {tab === 'problem' && <AnswersTab run={run} />}
        {tab === 'recipe' && <RecipeTab run={run} />}
      </div>
    </>
  );
}

function Tabs({tab, onTab}: {tab: Tab; onTab: (tab: Tab) => void}) {
  const key = (event: KeyboardEvent) => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!by) return;
    event.preventDefault();
    const now = kTabs.findIndex(([id]) => id === tab);
    const next = (now + by + kTabs.length) % kTabs.length;
    onTab(kTabs[next]![0]);
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  return (
    <div class="g-tabs" role="tablist" aria-label="What to see of this run" onKeyDown={key}>
      {kTabs.map(([id, text]) => (
        <button key={id} type="button" role="tab" id={`g-tab-${id}`} aria-selected={id === tab} aria-controls="g-panel" tabIndex={id === tab ? 0 : -1}
                class={id === tab ? 'on' : ''} onClick={() => onTab(id)}>{text}</button>
      ))}
    </div>
  );
}

// The first and the last checkpoint, asked the same in the chat.
function SideBySide({run}: {run: LiveRun}) {
  const all = run.run.value!.checkpoints;
  const href = `#/compare?a=${encodeURIComponent(modelOf(run.name, all[0]!))}&b=${encodeURIComponent(modelOf(run.name, all[all.length - 1]!))}`;
  return <a class="button plain" href={href} title={`Chat with ${all[0]} and ${all[all.length - 1]} side by side`}><Icon name="columns" />Side by side</a>;
}

function RecipeTab({run}: {run: LiveRun}) {
  const details = run.run.value!;
  const provenance = Object.entries(details.provenance ?? {}).filter(([, value]) => typeof value !== 'object');
  return (
    <section aria-label="Recipe" class="g-recipe">
      {(details.skipped?.length ?? 0) > 0 && (
        <>
          <h2>Lines that could not be read</h2>
          <ul>{details.skipped!.map((line, i) => <li key={i}>{line}</li>)}</ul>
        </>
      )}
      {provenance.length > 0 && (
        <>
          <h2>Provenance</h2>
          <dl>{provenance.map(([key, value]) => <div key={key}><dt>{key}</dt><dd>{String(value)}</dd></div>)}</dl>
        </>
      )}
      <h2>Recipe</h2>
      <pre tabIndex={0}>{details.recipe ? JSON.stringify(details.recipe, null, 2) : 'recipe.json cannot be read.'}</pre>
    </section>
  );
}

export function ComparePage({names}: {names: string[]}) {
  const runs = names.map(liveRun);
  useEffect(() => {
    const stops = runs.map(run => poll(() => run.refresh()));
    return () => stops.forEach(stop => stop());
  }, [names.join('/')]);
  return (
    <>
      <nav class="g-crumbs" aria-label="Where this is"><a href="#/growth"><Icon name="left" />All runs</a></nav>
      <header class="g-head">
        <h1>Compare</h1>
        {runs.map((run, i) => (
          <a key={run.name} class="g-compared" href={runLink(run.name)}><span class={`g-key c${i % 6}`} aria-hidden="true" />{run.name}</a>
        ))}
      </header>
      {runs.filter(run => run.failure.value).map(run => <Trouble key={run.name} text={`${run.name}: ${run.failure.value}`} />)}
      <CurvesTab runs={runs} />
    </>
  );
}
