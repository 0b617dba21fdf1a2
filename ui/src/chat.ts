// The open conversation and what can be done with it. An incognito chat is the same tree, kept in this page alone.
//   const chat = openChat(id); chat.ask(parent, 'text'); chat.answerAgain(userMessage);
import {batch, signal, type Signal} from '@preact/signals';
import {ApiError, fetchJson} from './api';
import {
  conversations, defaultModel, loadConversation, loadConversations, nextSettings, noteConversation, path, sayError, spoken,
} from './store';
import {newestLeaf, pathTo} from './tree';
import {liveTurn, watchTurn, type LiveTurn} from './turns';
import type {Conversation, Message, Settings, TurnStarted} from './types';

export interface Continuation {
  reasoning_content?: string;
  content_prefix?: string;
  thought_closed?: boolean;
}

export class Chat {
  readonly messages: Signal<Message[]> = signal([]);
  readonly leaf: Signal<string | null> = signal(null);
  readonly title = signal('');
  readonly model: Signal<string | null> = signal(null);
  readonly settings: Signal<Settings> = signal({});
  readonly state = signal<'ready' | 'loading' | 'failed' | 'gone'>('ready');
  readonly failure = signal('');
  // The turn could not be started: what was asked stands here, so that it can be tried again.
  readonly refused: Signal<{text: string; retry: () => void} | null> = signal(null);
  readonly starting = signal(false);
  readonly turns: Signal<Record<string, LiveTurn>> = signal({});
  readonly failures: Signal<Record<string, string>> = signal({});
  private nextLocalId = 1;

  constructor(public id: string | null, readonly incognito: boolean, private readonly onCreated: (id: string) => void) {
    this.settings.value = {...nextSettings.value};
  }

  path(): Message[] {
    return pathTo(this.messages.value, this.leaf.value);
  }

  modelId(): string | null {
    return this.model.value ?? defaultModel.value;
  }

  streaming(): Message | null {
    return this.path().find(message => message.status === 'streaming') ?? null;
  }

  async load(): Promise<void> {
    if (this.id === null) return;
    this.state.value = 'loading';
    try {
      this.adopt(await loadConversation(this.id));
      this.state.value = 'ready';
    } catch (error) {
      this.failure.value = (error as Error).message;
      this.state.value = error instanceof ApiError && error.status === 404 ? 'gone' : 'failed';
    }
  }

  private adopt(conversation: Conversation): void {
    batch(() => {
      this.messages.value = conversation.messages;
      this.leaf.value = conversation.leaf;
      this.title.value = conversation.title;
      this.model.value = conversation.model;
      this.settings.value = conversation.settings ?? {};
    });
    for (const message of conversation.messages) {
      if (message.turn && message.status === 'streaming') this.follow(message.id, message.turn, message.created * 1000);
    }
  }

  private follow(messageId: string, turnId: string, startedAt: number): void {
    const live = watchTurn(turnId, startedAt, message => this.ended(messageId, turnId, message));
    this.turns.value = {...this.turns.value, [messageId]: live};
  }

  // What a watched turn left: the whole message, or an error and what had been written so far.
  private ended(messageId: string, turnId: string, message: Message | null): void {
    const live = this.turns.value[messageId];
    const {[messageId]: _, ...others} = this.turns.value;
    const old = this.messages.value.find(item => item.id === messageId);
    const sample = live?.samples.value[0];
    batch(() => {
      this.turns.value = others;
      if (live?.error.value) this.failures.value = {...this.failures.value, [messageId]: live.error.value};
      if (!old) return;
      this.put(message ? {...message, id: messageId, parent: old.parent, turn: null} : {
        ...old,
        status: 'failed',
        turn: null,
        content: sample?.answer || old.content,
        reasoning_content: sample?.thought || old.reasoning_content,
      });
    });
    spoken.value = message ? 'The answer is complete.' : 'The answer failed.';
    if (!message && !this.incognito && this.id !== null && !live?.error.value) this.reload(turnId);
    if (!this.incognito) loadConversations().catch(() => {});
  }

  // The turn is older than the server keeps: the conversation has its message.
  private async reload(_turnId: string): Promise<void> {
    if (this.id === null) return;
    try {
      const conversation = await loadConversation(this.id);
      conversation.messages = conversation.messages.map(
          message => message.status === 'streaming' && !liveTurn(message.turn) ?
              {...message, status: 'failed' as const, turn: null} : message);
      this.adopt(conversation);
    } catch (error) {
      sayError(error);
    }
  }

  private put(message: Message): void {
    const index = this.messages.value.findIndex(item => item.id === message.id);
    this.messages.value = index < 0 ? [...this.messages.value, message] : this.messages.value.with(index, message);
  }

  showBranch(id: string): void {
    this.leaf.value = newestLeaf(this.messages.value, id);
    if (!this.incognito && this.id !== null) {
      fetchJson(path(this.id), {method: 'PATCH', body: {leaf: this.leaf.value}}).catch(sayError);
    }
  }

  setModel(model: string): void {
    this.model.value = model;
    this.patch({model});
  }

  setSettings(settings: Settings): void {
    this.settings.value = settings;
    if (this.id === null) nextSettings.value = settings;
    this.patch({settings});
  }

  private patch(body: object): void {
    if (this.incognito || this.id === null) return;
    fetchJson(path(this.id), {method: 'PATCH', body}).catch(sayError);
  }

  ask(parent: string | null, content: string): Promise<boolean> {
    return this.start(parent, {content}, content);
  }

  answerAgain(userMessage: string): Promise<boolean> {
    return this.start(userMessage, {}, null);
  }

  continueFrom(userMessage: string, continuation: Continuation): Promise<boolean> {
    return this.start(userMessage, {...continuation}, null);
  }

  private async start(parent: string | null, form: object, content: string | null): Promise<boolean> {
    if (this.starting.value) return false;
    this.starting.value = true;
    this.refused.value = null;
    try {
      const started = await (this.incognito ? this.startIncognito(parent, form, content) :
                                              this.startWritten(parent, form));
      this.began(started, parent, form as Continuation, content);
      return true;
    } catch (error) {
      const text = (error as Error).message;
      this.refused.value = {text, retry: () => void this.start(parent, form, content)};
      return false;
    } finally {
      this.starting.value = false;
    }
  }

  private async startWritten(parent: string | null, form: object): Promise<TurnStarted> {
    if (this.id === null) {
      const body = {model: this.modelId() ?? undefined, settings: this.settings.value};
      const created = await fetchJson<Conversation>('/api/conversations', {body});
      this.id = created.id;
      this.title.value = created.title ?? '';
      noteConversation(created);
      this.onCreated(created.id);
    }
    const body = {
      conversation: this.id, parent, ...form, model: this.modelId() ?? undefined, settings: this.settings.value,
    };
    return fetchJson<TurnStarted>('/api/turns', {body});
  }

  private startIncognito(parent: string | null, form: object, content: string | null): Promise<TurnStarted> {
    const history = parent === null ? [] : pathTo(this.messages.value, parent);
    const messages = history.map(({role, content}) => ({role, content}));
    if (content !== null) messages.push({role: 'user', content});
    const {content: _, ...continuation} = form as {content?: string};
    const body = {
      incognito: true, messages, ...continuation, model: this.modelId() ?? undefined, settings: this.settings.value,
    };
    return fetchJson<TurnStarted>('/api/turns', {body});
  }

  private began(started: TurnStarted, parent: string | null, form: Continuation, content: string | null): void {
    const now = Date.now() / 1000;
    let above = parent;
    batch(() => {
      if (content !== null) {
        above = started.user_message ?? this.localId();
        this.put(blank({id: above, parent, role: 'user', content, created: now}));
      }
      const id = started.assistant_message ?? this.localId();
      this.put(blank({
        id, parent: above, role: 'assistant', content: form.content_prefix ?? '',
        reasoning_content: form.reasoning_content ?? null, model: this.modelId(), created: now + 1e-3,
        status: 'streaming', turn: started.turn,
      }));
      this.leaf.value = id;
      if (!this.title.value && content) this.nameAfter(content);
      this.follow(id, started.turn, Date.now());
    });
    spoken.value = 'The model is answering.';
  }

  // Until the server's own title arrives, the list shows the question.
  private nameAfter(question: string): void {
    this.title.value = question.trim().split('\n')[0]!.slice(0, 60);
    const item = this.incognito ? undefined : conversations.value.find(item => item.id === this.id);
    if (item) noteConversation({...item, title: this.title.value});
  }

  private localId(): string {
    return `local-${this.nextLocalId++}`;
  }
}

function blank(known: Partial<Message> & Pick<Message, 'id' | 'role' | 'content'>): Message {
  return {
    parent: null, reasoning_content: null, model: null, created: 0, status: 'done', finish_reason: null, notice: null,
    usage: null, timings: null, turn: null, vote: null, ...known,
  };
}
