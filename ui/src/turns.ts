// The answers in the making that this page watches. A turn runs in the server; each is followed once, however many
// components show it, and its signals change at most once a frame.
//   const live = watchTurn(message.turn, onDone);  live.samples.value[0].thought
import {signal, type Signal} from '@preact/signals';
import {ApiError, fetchJson, streamEvents} from './api';
import type {Message, TurnEvent, Vote} from './types';

export interface LiveSample {
  thought: string;
  answer: string;
  thoughtTokens: number;
  tokens: number;
}

export interface LiveTurn {
  id: string;
  samples: Signal<LiveSample[]>;
  progress: Signal<{state: 'queued' | 'loading' | 'prompt'; done?: number; total?: number} | null>;
  prompt: Signal<{prompt_tokens: number; cached_tokens: number} | null>;
  vote: Signal<Vote | null>;
  error: Signal<string | null>;
  startedAt: number;
  firstTokenAt: Signal<number | null>;
  thoughtEndedAt: Signal<number | null>;
  thoughtEnding: Signal<boolean>;
  stopping: Signal<boolean>;
  abort: AbortController;
}

const turns = new Map<string, LiveTurn>();

export function liveTurn(id: string | null): LiveTurn | null {
  return id === null ? null : turns.get(id) ?? null;
}

// Applies events to a turn; text is gathered here and shown with the next frame.
class Gatherer {
  private samples: LiveSample[] = [];
  private frame = 0;

  constructor(private readonly turn: LiveTurn) {}

  delta(event: Extract<TurnEvent, {type: 'delta'}>): void {
    const {turn} = this;
    const index = event.sample ?? 0;
    while (this.samples.length <= index) this.samples.push({thought: '', answer: '', thoughtTokens: 0, tokens: 0});
    const old = this.samples[index]!;
    this.samples[index] = {
      thought: old.thought + (event.thought ?? ''),
      answer: old.answer + (event.answer ?? ''),
      thoughtTokens: event.thought_tokens ?? old.thoughtTokens,
      tokens: event.tokens ?? old.tokens,
    };
    turn.firstTokenAt.value ??= Date.now();
    turn.progress.value = null;
    if (event.answer && turn.thoughtEndedAt.value === null) turn.thoughtEndedAt.value = Date.now();
    this.frame ||= requestAnimationFrame(() => this.show());
    // A hidden tab has no frames; its text must not pile up unseen until the end.
    if (document.hidden) this.show();
  }

  show(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.turn.samples.value = [...this.samples];
  }
}

export type OnDone = (message: Message | null) => void;

// Follows turn `id` from its first event. `onDone` gets the whole message, or null when the turn cannot be followed any
// more (it failed, or ended too long ago).
export function watchTurn(id: string, startedAt: number, onDone: OnDone): LiveTurn {
  const known = turns.get(id);
  if (known) return known;
  const turn: LiveTurn = {
    id,
    samples: signal([]),
    progress: signal(null),
    prompt: signal(null),
    vote: signal(null),
    error: signal(null),
    startedAt,
    firstTokenAt: signal(null),
    thoughtEndedAt: signal(null),
    thoughtEnding: signal(false),
    stopping: signal(false),
    abort: new AbortController(),
  };
  turns.set(id, turn);
  const gatherer = new Gatherer(turn);
  let finished = false;
  const finish = (message: Message | null) => {
    if (finished) return;
    finished = true;
    gatherer.show();
    turns.delete(id);
    onDone(message);
  };
  streamEvents(`/api/turns/${encodeURIComponent(id)}/events`, 0, (_number, event: TurnEvent) => {
    switch (event.type) {
      case 'start': turn.prompt.value = event; break;
      case 'progress': turn.progress.value = event; break;
      case 'delta': gatherer.delta(event); break;
      case 'vote': turn.vote.value = event; break;
      case 'done': finish(event.message); return true;
      case 'error':
        turn.error.value = event.error.message;
        finish(null);
        return true;
    }
    return false;
  }, turn.abort.signal).catch(error => {
    if (!turn.abort.signal.aborted && !(error instanceof ApiError && error.status === 404)) {
      turn.error.value = (error as Error).message;
    }
    finish(null);
  });
  return turn;
}

export async function stopTurn(turn: LiveTurn): Promise<void> {
  turn.stopping.value = true;
  try {
    await fetchJson(`/api/turns/${encodeURIComponent(turn.id)}/stop`, {method: 'POST', body: {}});
  } catch (error) {
    turn.stopping.value = false;
    // 404: it ended by itself meanwhile.
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

export async function endThought(turn: LiveTurn): Promise<void> {
  turn.thoughtEnding.value = true;
  try {
    await fetchJson(`/api/turns/${encodeURIComponent(turn.id)}/end-thought`, {method: 'POST', body: {}});
  } catch (error) {
    turn.thoughtEnding.value = false;
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}
