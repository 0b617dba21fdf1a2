// The conversations of the mock, in memory.
let nextId = 1;
const makeId = kind => `${kind}_${(nextId++).toString(36).padStart(6, '0')}`;
const now = () => Date.now() / 1000;

export class Library {
  conversations = new Map();

  list(query) {
    const wanted = (query.get('q') ?? '').toLowerCase();
    const before = Number(query.get('before') ?? Infinity);
    const limit = Number(query.get('limit') ?? 50);
    const found = [];
    for (const {messages, settings, leaf, ...summary} of this.conversations.values()) {
      const hit = messages.find(message => message.content.toLowerCase().includes(wanted));
      if (wanted && !hit && !summary.title.toLowerCase().includes(wanted)) continue;
      if (summary.updated < before) found.push({...summary, snippet: wanted && hit ? hit.content.slice(0, 80) : null});
    }
    return found.sort((a, b) => b.updated - a.updated).slice(0, limit);
  }

  create({title = '', model = null, settings = {}, created = now(), updated = now(), leaf = null, messages = [], id = makeId('c')}) {
    const conversation = {id, title, model, settings: settings ?? {}, created, updated, leaf, messages};
    this.conversations.set(id, conversation);
    return conversation;
  }

  get(id) {
    return this.conversations.get(id);
  }

  patch(conversation, body) {
    for (const key of ['title', 'model', 'settings', 'leaf']) if (key in body) conversation[key] = body[key];
    const {messages, ...rest} = conversation;
    return rest;
  }

  remove(id) {
    this.conversations.delete(id);
  }

  clear() {
    this.conversations.clear();
  }

  export(id) {
    const conversations = id === null ? [...this.conversations.values()] : [this.get(id)];
    return {format: 'aha-conversations', version: 1, conversations};
  }

  import(body, Refusal) {
    if (body.format !== 'aha-conversations') throw new Refusal(400, 'This file is no export of aha.', 'format');
    for (const item of body.conversations) {
      this.create({...item, id: this.conversations.has(item.id) ? makeId('c') : item.id});
    }
    return body.conversations.length;
  }

  addMessage(conversation, known) {
    const message = {
      id: makeId('m'), parent: null, role: 'user', content: '', reasoning_content: null, model: null, created: now(),
      status: 'done', finish_reason: null, notice: null, usage: null, timings: null, turn: null, vote: null, ...known,
    };
    if (conversation) {
      conversation.messages.push(message);
      conversation.leaf = message.id;
      conversation.updated = message.created;
      if (!conversation.title && message.role === 'user') conversation.title = message.content.slice(0, 60);
    }
    return message;
  }
}
