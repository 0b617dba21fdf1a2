// Talks with the server that this page came from, and with nothing else.
//   const models = await fetchJson<{models: Model[]}>('/api/models');
//   await streamEvents('/api/turns/T/events', 0, (number, data) => …, signal);
import {signal} from '@preact/signals';
import {readEvents} from './sse';

const kKeyItem = 'aha-key';
const kRetryMs = [250, 500, 1000, 2000, 4000];

// The key lives in memory and for as long as the tab does; never where another session could read it.
let key = sessionStorage.getItem(kKeyItem) ?? '';

// 'key': the server asks for its key. 'passphrase': the store is locked.
export const gate = signal<'open' | 'key' | 'passphrase'>('open');

export class ApiError extends Error {
  constructor(
      message: string, readonly status: number, readonly code: string | null = null,
      readonly param: string | null = null) {
    super(message);
  }
}

export function setKey(value: string): void {
  key = value;
  if (value) sessionStorage.setItem(kKeyItem, value);
  else sessionStorage.removeItem(kKeyItem);
}

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

// One request; an answer that is not 2xx is an ApiError with the server's own sentence.
export async function request(path: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = {...options.headers};
  if (key) headers['Authorization'] = `Bearer ${key}`;
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(path, {
      method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    });
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new ApiError('The server does not answer. Is aha serve still running?', 0);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ApiError> {
  let message = `The server answered ${response.status}.`;
  let code: string | null = null;
  let param: string | null = null;
  try {
    const {error} = await response.json();
    if (typeof error?.message === 'string') message = error.message;
    if (error?.code != null) code = String(error.code);
    if (error?.param != null) param = String(error.param);
  } catch {
    // Not JSON: the status says enough.
  }
  if (response.status === 401) gate.value = 'key';
  if (response.status === 423) gate.value = 'passphrase';
  return new ApiError(message, response.status, code, param);
}

export async function fetchJson<T>(path: string, options: Options = {}): Promise<T> {
  const response = await request(path, options);
  if (response.status === 204 || response.status === 202) return undefined as T;
  return await response.json() as T;
}

function wait(ms: number, abort?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    abort?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('aborted', 'AbortError'));
    }, {once: true});
  });
}

// Follows a numbered stream from event `from` on. A connection that breaks is taken up again after the last event that
// arrived. Returns when `onEvent` says true (the stream is at its end); throws when the server says no, or is gone.
export async function streamEvents(
    path: string, from: number, onEvent: (number: number | null, data: any) => boolean | void,
    abort?: AbortSignal): Promise<void> {
  let next = from;
  let failures = 0;
  for (;;) {
    let ended = false;
    try {
      const separator = path.includes('?') ? '&' : '?';
      const response = await request(`${path}${separator}from=${next}`, {
        signal: abort,
        headers: {'Accept': 'text/event-stream'},
      });
      if (!response.body) throw new ApiError('The server sent no stream.', response.status);
      await readEvents(response.body, event => {
        if (ended || event.data === '[DONE]') return;
        failures = 0;
        const number = event.id === null || event.id === '' ? null : Number(event.id);
        if (number !== null && Number.isFinite(number)) {
          if (number < next) return;
          next = number + 1;
        }
        if (onEvent(number, JSON.parse(event.data)) === true) ended = true;
      });
    } catch (error) {
      if (abort?.aborted) throw error;
      // What the server refuses is not asked again.
      if (error instanceof ApiError && error.status >= 400 && error.status !== 503) throw error;
      if (error instanceof SyntaxError) throw new ApiError('The stream made no sense.', 0);
      if (failures >= kRetryMs.length) {
        throw error instanceof ApiError ? error : new ApiError('The connection to the server is gone.', 0);
      }
    }
    if (ended) return;
    if (abort?.aborted) throw new DOMException('aborted', 'AbortError');
    if (failures >= kRetryMs.length) throw new ApiError('The connection to the server is gone.', 0);
    await wait(kRetryMs[failures++]!, abort);
  }
}
