// The keys that work everywhere; KeysDialog in LibraryMenu.tsx lists them.
import {activeChat} from './active_chat';
import {focusSearch} from './components/Sidebar';
import {go} from './router';
import {sayError} from './store';
import {endThought, stopTurn, type LiveTurn} from './turns';

function writing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && Boolean(target.closest('input, textarea, select, [contenteditable]'));
}

function runningTurns(): LiveTurn[] {
  return activeChat.value.flatMap(chat => {
    const message = chat.streaming();
    const live = message && chat.turns.value[message.id];
    return live ? [live] : [];
  });
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || document.querySelector('dialog[open]')) return;
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    focusSearch();
  } else if (command && event.shiftKey && event.key.toLowerCase() === 'o') {
    event.preventDefault();
    go('#/');
  } else if (command && event.key === '.') {
    event.preventDefault();
    for (const live of runningTurns()) endThought(live).catch(sayError);
  } else if (event.key === 'Escape') {
    for (const live of runningTurns()) stopTurn(live).catch(sayError);
  } else if (event.key === '/' && !command && !event.altKey && !writing(event.target)) {
    event.preventDefault();
    document.getElementById('composer')?.focus();
  }
}

export function listenToKeys(): void {
  document.addEventListener('keydown', onKey);
}
