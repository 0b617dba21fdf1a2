// An answer in the making. Only this component changes with each token.
import type {Chat} from '../chat';
import {count, rate} from '../format';
import {modelById, sayError} from '../store';
import {endThought, stopTurn, type LiveTurn} from '../turns';
import type {Message} from '../types';
import {Button, Spinner} from './controls';
import {Markdown} from './Markdown';
import {Branches} from './MessageView';
import {ThoughtBlock} from './ThoughtBlock';
import {SampleProgress, VoteView} from './VoteView';

function waitingFor(live: LiveTurn): string {
  const progress = live.progress.value;
  if (progress?.state === 'queued') {
    return progress.done ? `Waiting in line, ${progress.done} ahead` : 'Waiting in line';
  }
  if (progress?.state === 'loading') return 'Loading the model';
  if (progress?.state === 'prompt' && progress.total) {
    return `Reading the conversation, ${count(progress.done ?? 0)} of ${count(progress.total)} tokens`;
  }
  return live.prompt.value ? `Reading ${count(live.prompt.value.prompt_tokens)} tokens` : 'Starting';
}

export function LiveAnswer({chat, message, live}: {chat: Chat; message: Message; live: LiveTurn}) {
  const samples = live.samples.value;
  const wanted = chat.settings.value.samples ?? 1;
  const many = samples.length > 1 || wanted > 1;
  const first = samples[0];
  const thinking = samples.some(sample => sample.thought && !sample.answer);
  const begun = live.firstTokenAt.value;
  const tokens = samples.reduce((sum, sample) => sum + sample.tokens, 0);
  const elapsed = begun ? (Date.now() - begun) / 1000 : 0;
  return (
    <article class="message assistant" aria-label={`Answer of ${message.model ?? 'the model'}, being written`}
             aria-busy="true" data-id={message.id} data-status="streaming">
      {(samples.length === 0 || (!many && !first?.thought && !first?.answer)) && <Spinner label={waitingFor(live)} />}
      {many && samples.length > 0 && <SampleProgress samples={samples} total={wanted} />}
      {many && live.vote.value && <VoteView vote={live.vote.value} />}
      {!many && first?.thought &&
        <ThoughtBlock text={first.thought} live={!first.answer} startedAt={begun ?? live.startedAt}
                      seconds={thoughtSeconds(live)} tokens={first.thoughtTokens} />}
      {!many && first?.answer && <Markdown text={first.answer} streaming />}
      <div class="message-tools live-tools">
        <Button class="stop" icon="stop" disabled={live.stopping.value}
                onClick={() => stopTurn(live).catch(sayError)}>Stop</Button>
        {thinking && (
          <Button kind="primary" icon="forward" disabled={live.thoughtEnding.value}
                  onClick={() => endThought(live).catch(sayError)}>
            {live.thoughtEnding.value ? 'Finishing the thought' : 'Stop thinking, answer now'}
          </Button>
        )}
        <Branches chat={chat} message={message} />
        {tokens > 0 && (
          <span class="message-facts">
            {[modelById(message.model)?.id, `${count(tokens)} tokens`, elapsed > 1 ? rate(tokens / elapsed) : null]
                .filter(Boolean).join(' · ')}
          </span>
        )}
      </div>
    </article>
  );
}

function thoughtSeconds(live: LiveTurn): number | null {
  const end = live.thoughtEndedAt.value;
  return end === null || live.firstTokenAt.value === null ? null : (end - live.firstTokenAt.value) / 1000;
}
