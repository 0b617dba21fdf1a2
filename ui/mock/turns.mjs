// Turns of the mock: an invented model that thinks aloud and answers, a word at a time.
let nextId = 1;
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

const kThought = `The question asks for one number. Let me try it step by step.

First, 9 + 7 = 16, and 16 - 8 = 8, which is not it. Wait, let me check the other order: $9 - 7 = 2$ and $2 + 8 = 10$. That works.

Let me verify: $9 - 7 + 8 = 10$. Each number is used once, so the answer is right.`;

const kAnswer = `Take the **difference** first:

$$9 - 7 + 8 = 2 + 8 = 10$$

| step | value |
|------|------:|
| 9 − 7 | 2 |
| 2 + 8 | 10 |

The same in code:

\`\`\`python
def solve(a: int, b: int, c: int) -> int:
    """Difference first, then the sum."""
    return a - b + c

print(solve(9, 7, 8))  # 10
\`\`\`

So the result is \\boxed{9 - 7 + 8}.`;

const words = text => text.match(/\s*\S+/g) ?? [];

function script(prompt) {
  const say = /\/say ([\s\S]*?)(?=\n\/think |$)/.exec(prompt);
  const think = /\/think ([\s\S]*?)(?=\n\/say |$)/.exec(prompt);
  const long = /\/long (\d+)/.exec(prompt);
  let answer = say ? say[1] : long ? Array.from({length: Number(long[1])}, (_, i) => i % 40 === 39 ? `word${i}.\n\n` : `word${i}`).join(' ') : kAnswer;
  let thought = think ? think[1] : say ? null : kThought;
  if (/\/endless/.test(prompt)) thought = Array.from({length: 4000}, (_, i) => `Hmm, ${i}. `).join('');
  if (/\/plain/.test(prompt)) thought = null;
  return {thought, answer, pause: /\/slow/.test(prompt) ? 60 : 4, fail: /\/fail/.test(prompt)};
}

class Turn {
  events = [];
  readers = new Set();
  ended = false;
  stop = false;
  endThought = false;

  constructor(id) {
    this.id = id;
  }

  emit(data) {
    const number = data.type === 'progress' ? null : this.events.push(data) - 1;
    for (const reader of this.readers) reader.send(number, data);
    if (data.type !== 'done' && data.type !== 'error') return;
    this.ended = true;
    for (const reader of this.readers) reader.end();
  }

  // Sends the events from `from` on; returns what ends the reading.
  read(from, send, end) {
    for (let i = from; i < this.events.length; ++i) send(i, this.events[i]);
    if (this.ended) {
      end();
      return () => {};
    }
    const reader = {send, end};
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }
}

export class Turns {
  turns = new Map();

  constructor(library, models) {
    Object.assign(this, {library, models});
  }

  get(id) {
    return this.turns.get(id);
  }

  start(body, Refusal) {
    const conversation = body.incognito ? null : this.library.get(body.conversation);
    if (!body.incognito && !conversation) throw new Refusal(404, 'There is no such conversation.', 'conversation');
    let parent = body.parent ?? null;
    let prompt = body.incognito ? body.messages.at(-1)?.content ?? '' : body.content;
    let user = null;
    if (!body.incognito && body.content !== undefined) {
      user = this.library.addMessage(conversation, {parent, content: body.content});
      parent = user.id;
    } else if (!body.incognito) {
      prompt = conversation.messages.find(message => message.id === parent)?.content;
      if (prompt === undefined) throw new Refusal(404, 'There is no such message.', 'parent');
    }
    const model = body.model ?? conversation?.model ?? 'aha-countdown';
    if (!this.models.some(item => item.id === model)) throw new Refusal(404, `There is no model ${model}.`, 'model');
    const turn = new Turn(`t_${nextId++}`);
    this.turns.set(turn.id, turn);
    const message = this.library.addMessage(conversation, {
      parent, role: 'assistant', model, status: 'streaming', turn: turn.id, content: body.content_prefix ?? '',
      reasoning_content: body.reasoning_content ?? null,
    });
    if (!conversation) Object.assign(message, {id: null, parent: null});
    void this.run(turn, message, prompt, body);
    return {
      turn: turn.id, conversation: conversation?.id ?? null, user_message: user?.id ?? null,
      assistant_message: conversation ? message.id : null,
    };
  }

  async run(turn, message, prompt, body) {
    const settings = body.settings ?? {};
    const plan = script(prompt);
    const begun = Date.now();
    turn.emit({type: 'progress', state: 'prompt', done: 0, total: 240});
    await sleep(plan.pause * 6);
    turn.emit({type: 'start', prompt_tokens: 12 + words(prompt).length, cached_tokens: 8});
    if (plan.fail) {
      await sleep(50);
      Object.assign(message, {status: 'failed', turn: null});
      return turn.emit({type: 'error', error: {message: 'The model ran out of memory.', type: 'server_error', code: null}});
    }
    const count = Math.max(1, settings.samples ?? 1);
    const samples = await Promise.all(Array.from({length: count}, (_, i) => this.sample(turn, i, plan, body, message, count)));
    if (count > 1) this.vote(turn, message, samples);
    const first = samples[0];
    const best = message.vote ? message.vote.samples[message.vote.answers[0].samples[0]] : first;
    const seconds = (Date.now() - begun) / 1000;
    Object.assign(message, {
      content: best.content, reasoning_content: best.thought || null, status: turn.stop ? 'stopped' : 'done',
      finish_reason: 'stop', turn: null,
      usage: {prompt_tokens: 12 + words(prompt).length, cached_tokens: 8, completion_tokens: first.tokens, reasoning_tokens: first.thoughtTokens},
      timings: {first_token_s: 0.05, thought_s: seconds * 0.6, total_s: seconds, tokens_per_second: first.tokens / seconds},
    });
    turn.emit({type: 'done', message});
  }

  async sample(turn, index, plan, body, message, count) {
    const state = {thought: '', content: '', thoughtTokens: 0, tokens: 0, finish_reason: 'stop'};
    const emit = piece => {
      turn.emit({type: 'delta', sample: index, ...piece, thought_tokens: state.thoughtTokens, tokens: state.tokens});
      state.thought += piece.thought ?? '';
      state.content += piece.answer ?? '';
      if (count === 1) Object.assign(message, {content: state.content, reasoning_content: state.thought || null});
    };
    if (body.reasoning_content) emit({thought: body.reasoning_content});
    const thinks = body.settings?.thinking !== false && !body.thought_closed;
    const budget = body.settings?.think_budget ?? Infinity;
    for (const word of thinks ? words(plan.thought ?? '') : []) {
      if (turn.stop || turn.endThought || state.thoughtTokens >= budget) break;
      await sleep(plan.pause);
      ++state.thoughtTokens;
      ++state.tokens;
      emit({thought: word});
    }
    if (body.content_prefix) emit({answer: body.content_prefix});
    const answer = count > 1 ? plan.answer.replace('10', index % 3 === 2 ? '24' : '10') : plan.answer;
    // A continuation writes on where it was cut.
    for (const word of words(answer).slice(words(body.content_prefix ?? '').length)) {
      if (turn.stop) break;
      await sleep(plan.pause);
      ++state.tokens;
      emit({answer: word});
    }
    return state;
  }

  vote(turn, message, samples) {
    const answers = new Map();
    samples.forEach((sample, index) => {
      const answer = index % 3 === 2 ? '24' : '10';
      answers.set(answer, [...answers.get(answer) ?? [], index]);
    });
    message.vote = {
      answers: [...answers].map(([answer, list]) => ({answer, count: list.length, share: list.length / samples.length, samples: list}))
                   .sort((a, b) => b.count - a.count),
      winner: '10',
      samples: samples.map((sample, index) => ({
        answer: index % 3 === 2 ? '24' : '10', thought: sample.thought, content: sample.content, finish_reason: 'stop', tokens: sample.tokens,
      })),
    };
    turn.emit({type: 'vote', ...message.vote});
  }
}
