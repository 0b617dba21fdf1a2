// A step's groups: one problem, and all that was sampled for it, side by side with what each was worth.
import {useEffect, useState} from 'preact/hooks';
import {Button, IconButton, Spinner, Trouble} from '../components/controls';
import type {LiveRun} from './data';
import {RewardParts, Text} from './Text';
import {type Colouring, Legend, type Token} from './TokenText';
import type {Group, Sample} from './types';

const kColourings: [Colouring, string][] = [
  ['none', 'Plain'], ['logprob', 'Log-prob'], ['advantage', 'Advantage'], ['push', 'Push'],
];

export function Segments<T extends string>({label, options, value, onChange}: {
  label: string; options: [T, string][]; value: T; onChange: (value: T) => void;
}) {
  return (
    <div class="g-segments" role="radiogroup" aria-label={label}>
      {options.map(([option, text]) => (
        <label key={option} class={option === value ? 'on' : ''}>
          <input type="radio" name={label} checked={option === value} onChange={() => onChange(option)} />{text}
        </label>
      ))}
    </div>
  );
}

function right(group: Group): number {
  return group.samples.filter(sample => sample.reward > 0).length;
}

// `total`: the step to show, of all stages; null: the last, as they come.
export function SamplesTab({run, total, onTotal}: {
  run: LiveRun; total: number | null; onTotal: (total: number | null) => void;
}) {
  const steps = run.steps.value;
  const [index, setIndex] = useState(0);
  const [colouring, setColouring] = useState<Colouring>('logprob');
  const [groups, setGroups] = useState<Group[] | null>(null);
  const [failure, setFailure] = useState('');
  const [again, setAgain] = useState(0);
  // The sampled step nearest to the one that was asked for.
  const at = total === null ? steps.length - 1 :
      steps.reduce((best, step, i) => Math.abs(step.total_step - total) < Math.abs(steps[best]!.total_step - total) ? i : best, 0);
  const step = steps[at];
  useEffect(() => {
    if (!step) return;
    let over = false;
    setFailure('');
    run.groupsOf(step).then(found => !over && setGroups(found), error => !over && setFailure((error as Error).message));
    return () => void (over = true);
  }, [run, step?.stage, step?.step, again]);

  if (!step) {
    return <p class="g-empty">No step has sampled answers yet. Groups are sampled in stages of kind rl; supervised stages have none.</p>;
  }
  const to = (next: number) => onTotal(next >= steps.length - 1 ? null : steps[Math.max(0, next)]!.total_step);
  const group = groups?.[Math.min(index, groups.length - 1)];
  return (
    <section aria-label="Samples">
      <div class="g-scrub">
        <IconButton icon="left" label="The step before" disabled={at === 0} onClick={() => to(at - 1)} />
        <input type="range" min="0" max={steps.length - 1} value={at} aria-label="Step" aria-valuetext={`step ${step.step} of ${step.stage}`}
               onInput={event => to(Number(event.currentTarget.value))} />
        <IconButton icon="right" label="The next step" disabled={at === steps.length - 1} onClick={() => to(at + 1)} />
        <span class="g-scrub-at"><b>{step.stage} {step.step}</b> of {steps[steps.length - 1]!.step}</span>
      </div>
      {failure && <Trouble text={failure} retry={() => setAgain(again + 1)} />}
      {!groups && !failure && <Spinner label="Reading the step" />}
      {groups && groups.length === 0 && <p class="g-empty">This step's lines could not be read.</p>}
      {groups && group && (
        <>
          <Groups groups={groups} chosen={groups.indexOf(group)} onChoose={setIndex} />
          <div class="g-controls">
            <Segments label="Colour of tokens" options={kColourings} value={colouring} onChange={setColouring} />
            <Legend colouring={group.samples.some(sample => sample.token_texts) ? colouring : 'none'} />
          </div>
          <GroupView group={group} colouring={colouring} />
        </>
      )}
    </section>
  );
}

function Groups({groups, chosen, onChoose}: {groups: Group[]; chosen: number; onChoose: (index: number) => void}) {
  const move = (event: KeyboardEvent) => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!by) return;
    event.preventDefault();
    const next = (chosen + by + groups.length) % groups.length;
    onChoose(next);
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  return (
    <div class="g-groups" role="tablist" aria-label="Problems of this step" onKeyDown={move}>
      {groups.map((group, i) => {
        const share = right(group) / Math.max(1, group.samples.length);
        return (
          <button key={i} type="button" role="tab" aria-selected={i === chosen} tabIndex={i === chosen ? 0 : -1} class={i === chosen ? 'on' : ''}
                  aria-label={`Problem ${i + 1}: ${right(group)} of ${group.samples.length} rewarded${group.trained ? '' : ', taught nothing'}`}
                  title={group.problem} onClick={() => onChoose(i)}>
            <span class="g-share" style={{'--share': `${Math.round(share * 100)}%`}} aria-hidden="true" />
            <span class={group.trained ? '' : 'g-muted'}>{right(group)}/{group.samples.length}</span>
          </button>
        );
      })}
    </div>
  );
}

const kFirst = 12;

function GroupView({group, colouring}: {group: Group; colouring: Colouring}) {
  const [all, setAll] = useState(false);
  const shown = all ? group.samples : group.samples.slice(0, kFirst);
  return (
    <>
      <div class="g-prompt">
        <span class="g-overline">Problem</span>
        <div class="g-prompt-text">{group.prompt}</div>
        {!group.trained && <p class="g-note">This group taught nothing: all its answers got the same reward, or the step had enough others.</p>}
      </div>
      <div class="g-samples">
        {shown.map((sample, i) => <SampleCard key={i} sample={sample} number={i + 1} colouring={colouring} />)}
      </div>
      {group.samples.length > shown.length &&
        <Button kind="quiet" onClick={() => setAll(true)}>{`Show all ${group.samples.length} samples`}</Button>}
    </>
  );
}

function tokensOf(sample: Sample): Token[] | null {
  if (!sample.token_texts || !sample.token_logprobs) return null;
  return sample.token_texts.map((text, i) => ({text, logprob: sample.token_logprobs![i] ?? 0}));
}

function SampleCard({sample, number, colouring}: {sample: Sample; number: number; colouring: Colouring}) {
  const good = sample.reward > 0;
  const advantage = sample.advantage;
  return (
    <article class="g-sample" aria-label={`Sample ${number}`}>
      <header>
        <span class={`g-mark ${good ? 'good' : 'bad'}`}>{good ? '✓' : '✗'}<span class="g-hidden">{good ? 'rewarded' : 'not rewarded'}</span></span>
        <span class={`g-advantage ${advantage > 0 ? 'up' : advantage < 0 ? 'down' : ''}`} title="advantage: how much better than its group">
          {advantage > 0 ? '+' : advantage < 0 ? '−' : ''}{Math.abs(advantage).toFixed(2)}
        </span>
        <span class="g-muted">{sample.tokens} tokens{sample.truncated ? ', cut' : ''}{sample.trained ? '' : ', not trained'}</span>
      </header>
      <Text text={sample.text} thought={sample.thought} answer={sample.answer} tokens={tokensOf(sample)} colouring={colouring} advantage={advantage} />
      <footer>
        <p class="g-why">{sample.why}{sample.extracted !== '' && <> <span class="g-muted">read: <code>{sample.extracted}</code></span></>}</p>
        <RewardParts rewards={sample.rewards} reward={sample.reward} />
      </footer>
    </article>
  );
}
