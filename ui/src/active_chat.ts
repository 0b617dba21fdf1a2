// The chats that the page shows now: one, or the two that stand side by side.
import {signal} from '@preact/signals';
import type {Chat} from './chat';

export const activeChat = signal<Chat[]>([]);
