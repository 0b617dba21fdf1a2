// The same problem answered by each checkpoint: reasoning seen to emerge. Answers are asked for when they are looked at
// and kept.
import {useEffect, useRef, useState} from 'preact/hooks';
import {Button, IconButton, Spinner, Trouble} from '../components/controls';
import {stepOf} from './curves';
import {type LiveRun, modelOf} from './data';
import {Segments} from './SamplesTab';
import {RewardParts, Text} from './Text';
import {type Colouring, Legend} from './TokenText';
import type {Answer, Problem} from './types';

const kPlayMs = 1200;

function nameOf(checkpoint: string): string {
  return checkpoint === 'final' ? 'final' : String(stepOf(checkpoint, 0));
}

type Answers = Record<string, Answer | Error>;

export function AnswersTab({run}: {run: LiveRun}) {
  const details = run.run.value!;
  const checkpoints = details.checkpoints;
  const [index, setIndex] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [failure, setFailure] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [beside, setBeside] = useState<string | null>(null);
  const [sampled, setSampled] = useState(false);
  const [seed, setSeed] = useState(1);
  const [colouring, setColouring] = useState<Colouring>('none');
  const [playing, setPlaying] = useState(false);
  const [answers, setAnswers] = useState<Answers>({});
  const now = useRef('');
  const timeline = useRef<HTMLOListElement>(null);
  const question = `${index} ${sampled ? seed : 'greedy'}`;
  now.current = question;

  useEffect(() => {
    let over = false;
    setFailure('');
    run.problem(index).then(found => !over && setProblem(found), error => !over && setFailure((error as Error).message));
    return () => void (over = true);
  }, [run, index]);
  useEffect(() => setAnswers({}), [run, question]);

  const current = chosen !== null && checkpoints.includes(chosen) ? chosen : checkpoints[checkpoints.length - 1] ?? null;
  const ask = async (checkpoint: string) => {
    let answer: Answer | Error;
    try {
      answer = await run.answer(index, checkpoint, sampled ? 1 : 0, seed);
    } catch (error) {
      answer = error as Error;
    }
    if (now.current === question) setAnswers(known => ({...known, [checkpoint]: answer}));
  };
  useEffect(() => {
    if (current !== null) void ask(current);
    if (beside !== null) void ask(beside);
  }, [run, question, current, beside]);
  const at = current === null ? -1 : checkpoints.indexOf(current);
  // The list alone is moved: the page stays where it is.
  useEffect(() => {
    const list = timeline.current;
    const item = list?.children[at] as HTMLElement | undefined;
    if (list && item) list.scrollTo({left: item.offsetLeft - list.offsetLeft - (list.clientWidth - item.offsetWidth) / 2});
  }, [at, checkpoints.length]);
  const shownAnswer = current === null ? undefined : answers[current];
  useEffect(() => {
    if (!playing || !shownAnswer) return;
    const timer = setTimeout(() => {
      if (at + 1 < checkpoints.length) setChosen(checkpoints[at + 1]!);
      else setPlaying(false);
    }, kPlayMs);
    return () => clearTimeout(timer);
  }, [playing, shownAnswer, at]);

  if (failure) return <Trouble text={failure} />;
  if (checkpoints.length === 0) {
    return <p class="g-empty">No checkpoint yet. The first one answers here as soon as it is written; how often that is says the recipe's [checkpoint] every.</p>;
  }
  const count = problem?.count ?? 1;
  const to = (next: number) => setIndex((next + count) % count);
  return (
    <section aria-label="The same problem, checkpoint by checkpoint">
      <div class="g-prompt">
        <div class="g-prompt-head">
          <span class="g-overline">Held-out problem</span>
          <IconButton icon="left" label="The problem before" onClick={() => to(index - 1)} />
          <label class="g-number"><span class="g-hidden">Number of the problem</span>
            <input type="number" min="1" max={count} value={index + 1}
                   onChange={event => to(Math.min(count, Math.max(1, Math.round(Number(event.currentTarget.value)) || 1)) - 1)} />
          </label>
          <span class="g-muted">of {count}</span>
          <IconButton icon="right" label="The next problem" onClick={() => to(index + 1)} />
        </div>
        <div class="g-prompt-text">{problem ? problem.prompt : ''}</div>
        {problem?.system && <p class="g-note">System: {problem.system}</p>}
        {problem?.answer && <p class="g-note">A right answer: <code>{problem.answer}</code></p>}
      </div>
      <div class="g-scrub">
        <Button icon={playing ? 'stop' : 'forward'} kind="quiet"
                onClick={() => {
                  if (!playing && at === checkpoints.length - 1) setChosen(checkpoints[0]!);
                  setPlaying(!playing);
                }}>{playing ? 'Stop' : 'Play'}</Button>
        <input type="range" min="0" max={checkpoints.length - 1} value={at} aria-label="Checkpoint" aria-valuetext={`checkpoint ${current}`}
               onInput={event => {
                 setPlaying(false);
                 setChosen(checkpoints[Number(event.currentTarget.value)]!);
               }} />
        <span class="g-scrub-at"><b>{current === 'final' ? 'final' : `step ${nameOf(current!)}`}</b></span>
      </div>
      <ol class="g-timeline" aria-label="Checkpoints" ref={timeline}>
        {checkpoints.map(checkpoint => {
          const answer = answers[checkpoint];
          const state = answer === undefined ? 'unknown' : answer instanceof Error ? 'failed' : answer.correct >= 1 ? 'good' : 'bad';
          return (
            <li key={checkpoint}>
              <button type="button" class={`${state} ${checkpoint === current ? 'on' : ''}`} aria-pressed={checkpoint === current}
                      aria-label={`${checkpoint}: ${{unknown: 'not asked yet', failed: 'no answer', good: 'right', bad: 'wrong'}[state]}`}
                      onClick={() => setChosen(checkpoint)}>
                <span class="g-dot" aria-hidden="true">{{unknown: '', failed: '!', good: '✓', bad: '✗'}[state]}</span>
                {nameOf(checkpoint)}
                <small>{answer && !(answer instanceof Error) ? `${answer.tokens.length} tok` : ' '}</small>
              </button>
            </li>
          );
        })}
      </ol>
      <div class="g-controls">
        <Segments label="Sampling" options={[['greedy', 'Greedy'], ['sampled', 'Sampled']]} value={sampled ? 'sampled' : 'greedy'}
                  onChange={value => setSampled(value === 'sampled')} />
        {sampled && <Button kind="quiet" icon="again" onClick={() => setSeed(seed + 1)}>Another draw</Button>}
        <Segments label="Colour of tokens" options={[['none', 'Plain'], ['logprob', 'Log-prob']]} value={colouring} onChange={setColouring} />
        <Legend colouring={colouring} />
        <label class="g-control">Beside
          <select value={beside ?? ''} onChange={event => setBeside(event.currentTarget.value || null)}>
            <option value="">nothing</option>
            {checkpoints.map(checkpoint => <option key={checkpoint} value={checkpoint}>{checkpoint}</option>)}
          </select>
        </label>
      </div>
      <div class={`g-answers ${beside ? 'two' : ''}`}>
        {beside && <AnswerCard run={run} checkpoint={beside} answer={answers[beside]} colouring={colouring} onAgain={() => void ask(beside)} />}
        <AnswerCard run={run} checkpoint={current!} answer={shownAnswer} colouring={colouring} onAgain={() => void ask(current!)} />
      </div>
    </section>
  );
}

function AnswerCard({run, checkpoint, answer, colouring, onAgain}: {
  run: LiveRun; checkpoint: string; answer: Answer | Error | undefined; colouring: Colouring; onAgain: () => void;
}) {
  const title = checkpoint === 'final' ? 'Final model' : `Step ${nameOf(checkpoint)}`;
  return (
    <article class="g-sample g-large" aria-label={title} aria-busy={answer === undefined}>
      <header>
        <h3>{title}</h3>
        {answer && !(answer instanceof Error) && (
          <>
            <span class={`g-mark ${answer.correct >= 1 ? 'good' : 'bad'}`}>{answer.correct >= 1 ? '✓ right' : '✗ wrong'}</span>
            <span class="g-muted">{answer.tokens.length} tokens{answer.truncated ? ', cut' : ''}</span>
          </>
        )}
        <span class="g-space" />
        <a class="g-link" href={`#/?model=${encodeURIComponent(modelOf(run.name, checkpoint))}`}>Chat with it</a>
      </header>
      {answer === undefined && <Spinner label="Answering" />}
      {answer instanceof Error && <Trouble text={answer.message} retry={onAgain} />}
      {answer && !(answer instanceof Error) && (
        <>
          <Text text={answer.text} thought={answer.thought} answer={answer.answer} tokens={answer.tokens} colouring={colouring} advantage={null} />
          <footer>
            <p class="g-why">{answer.why}{answer.extracted !== '' && <> <span class="g-muted">read: <code>{answer.extracted}</code></span></>}</p>
            <RewardParts rewards={answer.rewards} reward={answer.reward} />
          </footer>
        </>
      )}
    </article>
  );
}
