// One message of a thread, whatever it is: asked, answered, or in the making.
import {useState} from 'preact/hooks';
import type {Chat} from '../chat';
import {copyText} from '../clipboard';
import {count, rate, seconds} from '../format';
import {say} from '../store';
import {childrenOf} from '../tree';
import type {Message} from '../types';
import {Button, IconButton, Popover, MenuItem, Trouble} from './controls';
import {Icon} from './icons';
import {LiveAnswer} from './LiveAnswer';
import {Markdown} from './Markdown';
import {ThoughtBlock} from './ThoughtBlock';
import {ThoughtEditor} from './ThoughtEditor';
import {VoteView} from './VoteView';

export function Branches({chat, message}: {chat: Chat; message: Message}) {
  const siblings = childrenOf(chat.messages.value, message.parent);
  if (siblings.length < 2) return null;
  const index = siblings.findIndex(sibling => sibling.id === message.id);
  const show = (step: number) => {
    const sibling = siblings[index + step];
    if (sibling) chat.showBranch(sibling.id);
  };
  return (
    <span class="branches" role="group" aria-label="Versions">
      <IconButton icon="left" label="Earlier version" onClick={() => show(-1)} disabled={index === 0} />
      <span class="branch-count">{index + 1}/{siblings.length}</span>
      <IconButton icon="right" label="Later version" onClick={() => show(1)} disabled={index === siblings.length - 1} />
    </span>
  );
}

export function UserMessage({chat, message}: {chat: Chat; message: Message}) {
  const [editing, setEditing] = useState(false);
  const busy = chat.streaming() !== null;
  if (editing) return <UserEditor chat={chat} message={message} close={() => setEditing(false)} />;
  return (
    <article class="message user" aria-label="You" data-id={message.id}>
      <div class="user-text" dir="auto">{message.content}</div>
      <div class="message-tools">
        <Branches chat={chat} message={message} />
        <CopyButton text={message.content} />
        <IconButton icon="edit" label="Edit and ask again" onClick={() => setEditing(true)} disabled={busy} />
      </div>
    </article>
  );
}

function focusOnce(element: HTMLTextAreaElement | null): void {
  if (!element || element.dataset['ready'] === 'yes') return;
  element.dataset['ready'] = 'yes';
  element.focus();
}

function UserEditor({chat, message, close}: {chat: Chat; message: Message; close: () => void}) {
  const [text, setText] = useState(message.content);
  const send = async () => {
    if (text.trim() && await chat.ask(message.parent, text)) close();
  };
  return (
    <article class="message user editing" aria-label="You, editing" data-id={message.id}>
      <textarea class="field" rows={Math.min(12, Math.max(3, text.split('\n').length))} value={text}
                aria-label="Your message" ref={focusOnce}
                onInput={event => setText(event.currentTarget.value)}
                onKeyDown={event => {
                  if (event.key === 'Escape') {
                    event.stopPropagation();
                    close();
                  }
                  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void send();
                }} />
      <div class="row end">
        <Button kind="quiet" onClick={close}>Cancel</Button>
        <Button kind="primary" onClick={() => void send()} disabled={!text.trim() || chat.starting.value}>Ask again</Button>
      </div>
    </article>
  );
}

function CopyButton({text}: {text: string}) {
  const [done, setDone] = useState(false);
  return (
    <IconButton icon={done ? 'check' : 'copy'} label={done ? 'Copied' : 'Copy'} onClick={async () => {
      if (!await copyText(text)) {
        say('The browser did not let this page copy. Select the text instead.');
        return;
      }
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    }} />
  );
}

export function AssistantMessage({chat, message}: {chat: Chat; message: Message}) {
  const live = chat.turns.value[message.id];
  if (message.status === 'streaming' && live) return <LiveAnswer chat={chat} message={message} live={live} />;
  return <FinishedAnswer chat={chat} message={message} />;
}

function FinishedAnswer({chat, message}: {chat: Chat; message: Message}) {
  const [editing, setEditing] = useState(false);
  const busy = chat.streaming() !== null;
  const failure = chat.failures.value[message.id];
  const again = () => message.parent && void chat.answerAgain(message.parent);
  const thought = message.reasoning_content;
  return (
    <article class="message assistant" aria-label={`Answer of ${message.model ?? 'the model'}`} data-id={message.id}
             data-status={message.status}>
      {editing && message.parent ? (
        <ThoughtEditor chat={chat} userMessage={message.parent} thought={thought ?? ''} close={() => setEditing(false)} />
      ) : thought ? (
        <ThoughtBlock text={thought} seconds={message.timings?.thought_s} tokens={message.usage?.reasoning_tokens}
                      actions={!busy && (
                        <IconButton icon="edit" label="Edit the thought and continue" onClick={() => setEditing(true)} />
                      )} />
      ) : null}
      {message.vote && <VoteView vote={message.vote} />}
      {message.content && <Markdown text={message.content} />}
      {message.notice && <p class="notice">{message.notice}</p>}
      {message.status === 'stopped' && <p class="notice">You stopped this answer.</p>}
      {message.finish_reason === 'length' && !message.notice && <p class="notice">The answer reached its token limit.</p>}
      {message.status === 'failed' &&
        <Trouble text={failure ?? 'This answer was not finished.'} retry={busy ? undefined : again} />}
      {!message.content && !thought && !message.vote && message.status === 'done' &&
        <p class="notice">The model answered nothing.</p>}
      <div class="message-tools">
        <Branches chat={chat} message={message} />
        <CopyButton text={message.content} />
        <IconButton icon="again" label="Answer again" onClick={again} disabled={busy} />
        <MoreActions chat={chat} message={message} busy={busy} editThought={() => setEditing(true)} />
        <Facts message={message} />
      </div>
    </article>
  );
}

function MoreActions({chat, message, busy, editThought}: {
  chat: Chat; message: Message; busy: boolean; editThought: () => void;
}) {
  const {parent, reasoning_content: thought} = message;
  if (parent === null) return null;
  const whole = {reasoning_content: thought ?? undefined};
  return (
    <Popover label="More actions" button={<Icon name="more" />} align="start" side="up">
      {close => {
        const act = (run: () => void) => () => {
          close();
          run();
        };
        return (
          <div class="menu">
            <MenuItem icon="forward" disabled={busy} onClick={act(() => void chat.continueFrom(parent, {
              ...whole, content_prefix: message.content || undefined, thought_closed: Boolean(message.content),
            }))}>Continue this answer</MenuItem>
            {thought && (
              <MenuItem icon="again" disabled={busy}
                        onClick={act(() => void chat.continueFrom(parent, {...whole, thought_closed: true}))}>
                Answer again from the same thought
              </MenuItem>
            )}
            <MenuItem icon="edit" disabled={busy} onClick={act(editThought)}>
              {thought ? 'Edit the thought and continue' : 'Write a thought and answer from it'}
            </MenuItem>
          </div>
        );
      }}
    </Popover>
  );
}

function Facts({message}: {message: Message}) {
  const {usage, timings} = message;
  const facts = [
    usage ? `${count(usage.completion_tokens)} tokens` : null,
    timings?.tokens_per_second != null ? rate(timings.tokens_per_second) : null,
  ].filter(fact => fact !== null);
  const details = [
    message.model,
    usage ? `${usage.prompt_tokens} tokens of prompt, ${usage.cached_tokens} from the cache` : null,
    usage ? `${usage.completion_tokens} tokens written, ${usage.reasoning_tokens} of them thought` : null,
    timings?.first_token_s != null ? `first token after ${seconds(timings.first_token_s)}` : null,
    timings?.total_s != null ? `${seconds(timings.total_s)} in all` : null,
  ].filter(fact => fact !== null).join('\n');
  return <span class="message-facts" title={details}>{[message.model, ...facts].filter(Boolean).join(' · ')}</span>;
}
