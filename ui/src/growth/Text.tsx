// What a model wrote: its thought, quiet, then its answer; with the tokens coloured when asked.
import {type Colouring, slice, type Token, TokenText} from './TokenText';

interface TextProps {
  text: string;
  thought: string;
  answer: string;
  tokens: Token[] | null;
  colouring: Colouring;
  advantage: number | null;
}

const kOpen = '<think>';

export function Text({text, thought, answer, tokens, colouring, advantage}: TextProps) {
  const opened = text.indexOf(kOpen);
  const thinks = opened >= 0;
  const begin = thinks ? opened + kOpen.length : 0;
  const part = (from: number, to: number, plain: string) => tokens && colouring !== 'none' ?
      <TokenText tokens={slice(tokens, from, to)} colouring={colouring} advantage={advantage} /> : plain;
  const answerBegin = text.length - answer.length;
  return (
    <div class="g-text">
      {thinks && (
        <div class="g-thought" tabIndex={0} role="group" aria-label="Thought">
          {/* The decision to think is a token like any other, and often the one that tells most. */}
          {tokens && colouring !== 'none' && <span class="g-tag">{part(opened, begin, kOpen)}</span>}
          {part(begin, begin + thought.length, thought)}
        </div>
      )}
      <div class="g-answer" tabIndex={0} role="group" aria-label="Answer">
        {answer === '' ? <span class="g-muted">{thinks ? 'The thought did not end.' : 'Nothing.'}</span> : part(answerBegin, text.length, answer)}
      </div>
    </div>
  );
}

export function RewardParts({rewards, reward}: {rewards: Record<string, number>; reward: number}) {
  const parts = Object.entries(rewards);
  return (
    <dl class="g-parts">
      {parts.map(([name, value]) => (
        <div key={name}><dt>{name}</dt><dd>{Number(value.toFixed(3))}</dd></div>
      ))}
      {(parts.length !== 1 || parts[0]![1] !== reward) && <div class="sum"><dt>reward</dt><dd>{Number(reward.toFixed(3))}</dd></div>}
    </dl>
  );
}
