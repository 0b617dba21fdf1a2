// Where one writes. Enter sends, Shift+Enter begins a new line; the thought's budget and the vote stand within reach.
import {useLayoutEffect, useRef} from 'preact/hooks';
import {signal} from '@preact/signals';
import type {Chat} from '../chat';
import {count} from '../format';
import {modelById, sayError, status} from '../store';
import {stopTurn} from '../turns';
import type {Settings} from '../types';
import {IconButton, Popover} from './controls';
import {Icon} from './icons';

// What is being written, by conversation, so that a look elsewhere loses nothing.
const drafts = new Map<string, string>();
const changed = signal(0);

// Budgets that the slider stops at; 0 is no thought, the last no limit.
export const kBudgets = [0, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, null] as const;

export function budgetIndex(settings: Settings): number {
  if (settings.thinking === false) return 0;
  const {think_budget: budget} = settings;
  if (budget == null) return kBudgets.length - 1;
  const index = kBudgets.findIndex(step => step !== null && step >= budget);
  return index < 0 ? kBudgets.length - 2 : Math.max(1, index);
}

export function withBudget(settings: Settings, index: number): Settings {
  const budget = kBudgets[index] ?? null;
  return budget === 0 ? {...settings, thinking: false, think_budget: null} :
                        {...settings, thinking: null, think_budget: budget};
}

export function budgetText(settings: Settings): string {
  if (settings.thinking === false) return 'no thought';
  return settings.think_budget == null ? 'no limit' : `${count(settings.think_budget)} tokens`;
}

export function setDraft(key: string, text: string): void {
  drafts.set(key, text);
  changed.value++;
}

export function Composer({chat}: {chat: Chat}) {
  const key = chat.id ?? (chat.incognito ? 'incognito' : 'new');
  changed.value;
  const text = drafts.get(key) ?? '';
  const field = useRef<HTMLTextAreaElement>(null);
  const streaming = chat.streaming();
  const live = streaming ? chat.turns.value[streaming.id] : undefined;
  const noModel = chat.modelId() === null;
  const tooLong = new Blob([text]).size > (status.value?.limits.max_message_bytes ?? Infinity);

  useLayoutEffect(() => {
    const element = field.current!;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight + 2, innerHeight * 0.4)}px`;
  }, [text]);

  const send = async () => {
    if (!text.trim() || streaming || noModel || tooLong || chat.starting.value) return;
    const parent = chat.path().at(-1)?.id ?? null;
    setDraft(key, '');
    if (!await chat.ask(parent, text)) setDraft(chat.id ?? key, text);
  };

  const onKey = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      void send();
    }
    if (event.key === 'ArrowUp' && text === '') {
      const edits = document.querySelectorAll<HTMLElement>('.message.user button[aria-label="Edit and ask again"]');
      edits[edits.length - 1]?.click();
    }
  };

  return (
    <form class="composer" aria-label="Your message" onSubmit={event => {
      event.preventDefault();
      void send();
    }}>
      <textarea ref={field} id="composer" rows={1} value={text} placeholder={chat.incognito ? 'Ask; nothing is written' : 'Ask anything'}
                aria-label="Message" dir="auto" enterkeyhint="send"
                onInput={event => setDraft(key, event.currentTarget.value)} onKeyDown={onKey} />
      {tooLong && <p class="hint warn">This message is longer than the server takes.</p>}
      <div class="composer-row">
        <ThinkControl chat={chat} />
        <VoteControl chat={chat} />
        <span class="spacer" />
        {streaming && live ? (
          <IconButton icon="stop" label="Stop (Esc)" class="send" disabled={live.stopping.value}
                      onClick={() => stopTurn(live).catch(sayError)} />
        ) : (
          <button type="submit" class="icon-button send" aria-label="Send" title="Send (Enter)"
                  disabled={!text.trim() || noModel || tooLong || chat.starting.value}><Icon name="send" /></button>
        )}
      </div>
    </form>
  );
}

function ThinkControl({chat}: {chat: Chat}) {
  const settings = chat.settings.value;
  const model = modelById(chat.modelId());
  if (model?.thinking === 'none') return null;
  const index = budgetIndex(settings);
  const limited = settings.think_budget == null ? 'Think' : `Think ≤ ${count(settings.think_budget)}`;
  const shown = settings.thinking === false ? 'No thought' : limited;
  return (
    <Popover label={shown === 'Think' ? 'Think: no limit' : shown} class="chip" side="up"
             button={<><Icon name="thought" /><span>{shown}</span></>}>
      {() => (
        <label class="slider">
          <span class="slider-head"><span>Thought</span><output>{budgetText(settings)}</output></span>
          <input type="range" min={model?.thinking === 'always' ? 1 : 0} max={kBudgets.length - 1} value={index}
                 aria-valuetext={budgetText(settings)}
                 onInput={event => chat.settings.value = withBudget(settings, Number(event.currentTarget.value))}
                 onChange={() => chat.setSettings(chat.settings.value)} />
          <span class="hint">At its limit the thought is ended and the answer begins.</span>
        </label>
      )}
    </Popover>
  );
}

function VoteControl({chat}: {chat: Chat}) {
  const settings = chat.settings.value;
  const samples = settings.samples ?? 1;
  const most = Math.min(64, status.value?.limits.max_samples ?? 16);
  const choices = [1, 3, 5, 8, 16, 32, 64].filter(n => n <= most);
  return (
    <Popover label={samples > 1 ? `Vote of ${samples} samples` : 'Vote'} class="chip" side="up"
             button={<><Icon name="columns" /><span>{samples > 1 ? `Vote of ${samples}` : 'Vote'}</span></>}>
      {() => (
        <div class="vote-control">
          <div class="slider-head">Ask several times, take the answer most agree on</div>
          <div class="row wrap" role="group" aria-label="Samples">
            {choices.map(n => (
              <button key={n} type="button" class="chip" aria-pressed={n === samples}
                      onClick={() => chat.setSettings({...settings, samples: n === 1 ? null : n})}>
                {n === 1 ? 'Off' : n}
              </button>
            ))}
          </div>
          {samples > 1 && (
            <label class="check">
              <input type="checkbox" checked={settings.verify === 'math'}
                     onChange={event => chat.setSettings({...settings, verify: event.currentTarget.checked ? 'math' : 'majority'})} />
              Compare answers as mathematics (1/2 = 0.5)
            </label>
          )}
        </div>
      )}
    </Popover>
  );
}
