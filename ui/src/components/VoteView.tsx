// Many samples of one question: their answers as bars, and any sample's thought a press away.
import {useState} from 'preact/hooks';
import {count} from '../format';
import type {LiveSample} from '../turns';
import type {Vote, VoteAnswer, VoteSample} from '../types';
import {Icon} from './icons';
import {Markdown} from './Markdown';
import {ThoughtBlock} from './ThoughtBlock';

function isWinner(vote: Vote, answer: VoteAnswer, index: number): boolean {
  return typeof vote.winner === 'number' ? vote.winner === index : vote.winner !== null && vote.winner === answer.answer;
}

// A tie goes to the answer that came first, which is no majority; the reader is told.
function howClose(vote: Vote): string {
  const counts = vote.answers.filter(answer => answer.answer !== null).map(answer => answer.count);
  const most = Math.max(0, ...counts);
  const first = counts.filter(count => count === most).length;
  if (first < 2) return '';
  return most === 1 ? ' · no two agree' : ` · a tie of ${first} answers`;
}

export function VoteView({vote}: {vote: Vote}) {
  const [open, setOpen] = useState<number | null>(null);
  const total = vote.samples.length;
  return (
    <section class="vote" aria-label={`Vote of ${total} samples`}>
      <div class="vote-title">{total} samples voted{howClose(vote)}</div>
      <ul class="vote-answers">
        {vote.answers.map((answer, index) => (
          <li key={index}>
            <button type="button" class={`vote-row ${isWinner(vote, answer, index) ? 'winner' : ''}`}
                    aria-expanded={open === index} onClick={() => setOpen(open === index ? null : index)}>
              <span class="vote-answer">
                {isWinner(vote, answer, index) && <Icon name="check" />}
                <Answer text={answer.answer} />
              </span>
              <span class="vote-bar" aria-hidden="true">
                <span class="vote-fill" style={{width: `${Math.round(answer.share * 100)}%`}} />
              </span>
              <span class="vote-count">{answer.count} of {total} · {Math.round(answer.share * 100)} %</span>
            </button>
            {open === index && <SampleList vote={vote} indices={answer.samples} />}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Answer({text}: {text: string | null}) {
  return text === null || text === '' ? <em>no answer</em> : <span>{text}</span>;
}

function SampleList({vote, indices}: {vote: Vote; indices: number[]}) {
  const [shown, setShown] = useState(indices[0] ?? 0);
  const sample = vote.samples[shown];
  return (
    <div class="vote-samples">
      <div class="vote-tabs" role="group" aria-label="Samples with this answer">
        {indices.map(index => (
          <button key={index} type="button" class="chip" aria-pressed={index === shown} onClick={() => setShown(index)}>
            Sample {index + 1}
          </button>
        ))}
      </div>
      {sample && <Sample key={shown} sample={sample} />}
    </div>
  );
}

function Sample({sample}: {sample: VoteSample}) {
  return (
    <div class="vote-sample">
      {sample.thought && <ThoughtBlock text={sample.thought} open={true} />}
      <Markdown text={sample.content} />
      <div class="message-facts">
        {count(sample.tokens)} tokens{sample.finish_reason === 'length' ? ' · cut off at its limit' : ''}
      </div>
    </div>
  );
}

// Samples in the making: one line each.
export function SampleProgress({samples, total}: {samples: LiveSample[]; total: number}) {
  const [open, setOpen] = useState<number | null>(null);
  const rows = Array.from({length: Math.max(total, samples.length)}, (_, index) => samples[index] ?? null);
  const shown = open === null ? null : samples[open];
  return (
    <section class="vote" aria-label={`${rows.length} samples in the making`}>
      <div class="vote-title">{rows.length} samples at once</div>
      <div class="sample-grid">
        {rows.map((sample, index) => (
          <button key={index} type="button" class={`sample-cell ${sample?.answer ? 'answering' : ''}`}
                  aria-pressed={open === index} onClick={() => setOpen(open === index ? null : index)}>
            <span>Sample {index + 1}</span>
            <span class="sample-state">
              {!sample ? 'waiting' : sample.answer ? 'answering' : 'thinking'} · {count(sample?.tokens ?? 0)}
            </span>
          </button>
        ))}
      </div>
      {shown && (
        <div class="vote-sample">
          {shown.thought && <ThoughtBlock text={shown.thought} live={!shown.answer} tokens={shown.thoughtTokens} open />}
          {shown.answer && <Markdown text={shown.answer} streaming />}
        </div>
      )}
    </section>
  );
}
