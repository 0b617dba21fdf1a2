// The page's address after the #: #/ a new chat, #/c/ID, #/incognito, #/compare, #/growth/…; ?name=value may follow.
import {signal} from '@preact/signals';

export interface Route {
  parts: string[];
  query: URLSearchParams;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function current(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return {parts: path.split('/').filter(part => part).map(decode), query: new URLSearchParams(query)};
}

export const route = signal<Route>(current());
addEventListener('hashchange', () => route.value = current());

export function go(hash: string): void {
  if (location.hash === hash) route.value = current();
  else location.hash = hash;
}

// The same page under another address, without a step in the history.
export function replace(hash: string): void {
  history.replaceState(null, '', hash);
  route.value = current();
}
