// What the page knows: the program's status, its models, the list of conversations and the one that is open.
import {computed, signal} from '@preact/signals';
import {ApiError, fetchJson, gate, request} from './api';
import type {Conversation, ConversationSummary, Model, Settings, Status} from './types';

export const status = signal<Status | null>(null);
export const models = signal<Model[]>([]);
export const conversations = signal<ConversationSummary[]>([]);
export const moreConversations = signal(false);
export const listState = signal<'idle' | 'loading' | 'failed'>('idle');
export const search = signal('');
// Polite words for a screen reader; shown nowhere.
export const spoken = signal('');
// A short message at the edge of the page, with an action perhaps.
export const toast = signal<{text: string; action?: {label: string; run: () => void}} | null>(null);
export const bootError = signal<string | null>(null);

// Of the next new chat; kept in memory only, as a system prompt may be private.
export const nextModel = signal<string | null>(null);
export const nextSettings = signal<Settings>({});

const kPage = 60;

export const defaultModel = computed<string | null>(
    () => nextModel.value ?? status.value?.default_model ?? models.value.find(model => model.fits)?.id ??
        models.value[0]?.id ?? null);

export function modelById(id: string | null): Model | null {
  return models.value.find(model => model.id === id) ?? null;
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

export function say(text: string, action?: {label: string; run: () => void}): void {
  toast.value = {text, action};
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.value = null, action ? 8000 : 4000);
}

export function sayError(error: unknown): void {
  if (error instanceof ApiError && (error.status === 401 || error.status === 423)) return;
  if ((error as Error)?.name === 'AbortError') return;
  say((error as Error)?.message ?? String(error));
}

export async function loadModels(): Promise<void> {
  models.value = (await fetchJson<{models: Model[]}>('/api/models')).models;
}

// Everything that the first page needs. Called again when a gate opens.
export async function boot(): Promise<void> {
  bootError.value = null;
  try {
    const loaded = await fetchJson<Status>('/api/status');
    status.value = loaded;
    gate.value = loaded.locked ? 'passphrase' : 'open';
    await Promise.all([loadModels(), loaded.locked ? Promise.resolve() : loadConversations()]);
  } catch (error) {
    if (gate.value === 'open') bootError.value = (error as Error).message;
  }
}

let listing: AbortController | null = null;

// The newest conversations, or those that hold what is searched for; `more` appends older ones.
export async function loadConversations(more = false): Promise<void> {
  listing?.abort();
  listing = new AbortController();
  const query = new URLSearchParams({limit: String(kPage)});
  if (search.value.trim()) query.set('q', search.value.trim());
  const last = conversations.value.at(-1);
  if (more && last) query.set('before', String(last.updated));
  listState.value = 'loading';
  try {
    const page = (await fetchJson<{conversations: ConversationSummary[]}>(
        `/api/conversations?${query}`, {signal: listing.signal})).conversations;
    const known = new Set(more ? conversations.value.map(item => item.id) : []);
    conversations.value = more ? [...conversations.value, ...page.filter(item => !known.has(item.id))] : page;
    moreConversations.value = page.length >= kPage;
    listState.value = 'idle';
  } catch (error) {
    if ((error as Error).name === 'AbortError') return;
    listState.value = 'failed';
    throw error;
  }
}

// Puts a conversation at the head of the list, as new or changed.
export function noteConversation(summary: ConversationSummary): void {
  const {id, title, model, created, updated} = summary;
  conversations.value = [
    {id, title, model, created, updated},
    ...conversations.value.filter(item => item.id !== id),
  ];
}

export async function renameConversation(id: string, title: string): Promise<void> {
  const {title: given} = await fetchJson<ConversationSummary>(path(id), {method: 'PATCH', body: {title}});
  conversations.value = conversations.value.map(item => item.id === id ? {...item, title: given ?? title} : item);
}

export async function deleteConversation(id: string): Promise<void> {
  await fetchJson(path(id), {method: 'DELETE'});
  conversations.value = conversations.value.filter(item => item.id !== id);
}

export async function deleteAllConversations(): Promise<void> {
  await fetchJson('/api/conversations', {method: 'DELETE'});
  conversations.value = [];
}

export async function importConversations(file: File): Promise<number> {
  let body: unknown;
  try {
    body = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is not JSON. Choose a file that "Export" has written.`);
  }
  const {imported} = await fetchJson<{imported: number}>('/api/import', {body});
  await loadConversations();
  return imported;
}

// Saves a file that the server wrote; the key travels in a header, so a plain link would not do.
export async function exportConversations(id: string | null): Promise<void> {
  const response = await request(id === null ? '/api/export' : `${path(id)}/export`);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = id === null ? 'aha-conversations.json' : `aha-conversation-${id}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function path(id: string): string {
  return `/api/conversations/${encodeURIComponent(id)}`;
}

export function loadConversation(id: string, abort?: AbortSignal): Promise<Conversation> {
  return fetchJson<Conversation>(path(id), {signal: abort});
}
