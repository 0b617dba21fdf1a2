// A conversation is a tree of messages; what is shown is the path from the first message to the leaf.
import type {Message} from './types';

export function childrenOf(messages: Message[], parent: string | null): Message[] {
  return messages.filter(message => message.parent === parent);
}

// The messages from the first to `leaf`. An unknown leaf shows the newest branch.
export function pathTo(messages: Message[], leaf: string | null): Message[] {
  const byId = new Map(messages.map(message => [message.id, message]));
  const path: Message[] = [];
  const seen = new Set<string>();
  for (let id = leaf && byId.has(leaf) ? leaf : newestLeaf(messages, null); id && !seen.has(id);) {
    seen.add(id);
    const message = byId.get(id);
    if (!message) break;
    path.push(message);
    id = message.parent;
  }
  return path.reverse();
}

// The end of the branch that begins at `id`, always taking the newest child.
export function newestLeaf(messages: Message[], id: string | null): string | null {
  const newest = new Map<string | null, Message>();
  for (const message of messages) {
    const other = newest.get(message.parent);
    if (!other || message.created >= other.created) newest.set(message.parent, message);
  }
  let leaf = id;
  for (let steps = 0; steps <= messages.length; ++steps) {
    const next = newest.get(leaf);
    if (!next) break;
    leaf = next.id;
  }
  return leaf;
}
