// Clients as they are sold, against the real program: the openai and Anthropic SDKs of npm.
//   AHA_URL=http://127.0.0.1:8080 AHA_KEY=… node sdk_test.mjs
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const url = process.env.AHA_URL, apiKey = process.env.AHA_KEY;
const openai = new OpenAI({baseURL: `${url}/v1`, apiKey});
const bare = new OpenAI({baseURL: url, apiKey});  // DeepSeek's clients leave "/v1" out
const anthropic = new Anthropic({baseURL: url, apiKey});

const model = 'aha-countdown';
const messages = [{role: 'user', content: 'Use 9, 7 and 8 to make 10'}];
const weather = {
  type: 'object',
  properties: {city: {enum: ['Oslo', 'Rome']}, days: {type: 'integer', minimum: 1, maximum: 9}},
  required: ['city', 'days'],
  additionalProperties: false,
};

// No token of the answer can end it.
const endless = {model, input: messages[0].content, text: {format: {type: 'json_schema', name: 'long', schema: {type: 'array', items: {enum: [1]}, minItems: 100000}}}};

async function metric(name) {
  const text = await (await fetch(`${url}/metrics`, {headers: {Authorization: `Bearer ${apiKey}`}})).text();
  return Number(new RegExp(`^vllm:${name}\\S* (\\S+)$`, 'm').exec(text)[1]);
}

function usageHolds(usage) {
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.equal(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens);
  assert.equal(usage.prompt_tokens_details.cached_tokens, usage.prompt_cache_hit_tokens);
  assert.ok(usage.completion_tokens_details.reasoning_tokens <= usage.completion_tokens);
}

// Of both forms of an answer, what the model wrote: ids are another's each time.
function withoutIds(list) {
  return list.map(({id, call_id, ...rest}) => rest);
}

function responsesUsageHolds(usage) {
  assert.equal(usage.total_tokens, usage.input_tokens + usage.output_tokens);
  assert.ok(usage.input_tokens_details.cached_tokens <= usage.input_tokens);
  assert.ok(usage.output_tokens_details.reasoning_tokens <= usage.output_tokens);
}

const tests = {
  async models() {
    const ids = (await openai.models.list()).data.map(entry => entry.id);
    assert.ok(ids.includes(model), ids.join());
    assert.equal((await openai.models.retrieve(model)).id, model);
  },

  async chatWholeAndStreamedAreOneAnswer() {
    for (const client of [openai, bare]) {
      const {data: whole, response} = await client.chat.completions.create({model, messages, seed: 5}).withResponse();
      assert.match(response.headers.get('x-request-id'), /^req-/);
      const {message, finish_reason} = whole.choices[0];
      assert.equal(finish_reason, 'stop');
      assert.ok(message.reasoning_content.length > 0 && message.content.length > 0);
      assert.doesNotMatch(message.content, /think>/);
      usageHolds(whole.usage);
      assert.ok(whole.usage.completion_tokens_details.reasoning_tokens > 0);
      const stream = await client.chat.completions.create({model, messages, seed: 5, stream: true, stream_options: {include_usage: true}});
      let role = '', thought = '', answer = '', finish = null, usage = null, answering = false;
      const ids = new Set();
      for await (const chunk of stream) {
        ids.add(chunk.id);
        if (chunk.usage) usage = chunk.usage;
        for (const {delta, finish_reason} of chunk.choices) {
          assert.equal(finish, null, 'nothing follows the end');
          role += delta.role ?? '';
          thought += delta.reasoning_content ?? '';
          answer += delta.content ?? '';
          if (delta.content) answering = true;
          if (delta.reasoning_content) assert.ok(!answering, 'the thought comes first');
          finish = finish_reason ?? finish;
        }
      }
      assert.equal(ids.size, 1);
      assert.equal(role, 'assistant');
      assert.equal(thought, message.reasoning_content);
      assert.equal(answer, message.content);
      assert.equal(finish, 'stop');
      usageHolds(usage);
    }
  },

  async theSdksOwnAccumulatorAgrees() {
    const runner = openai.chat.completions.stream({model, messages, seed: 5, n: 3, logprobs: true, top_logprobs: 2});
    const {choices} = await runner.finalChatCompletion();
    const whole = await openai.chat.completions.create({model, messages, seed: 5, n: 3, logprobs: true, top_logprobs: 2});
    assert.equal(choices.length, 3);
    for (const [i, choice] of choices.entries()) {
      assert.equal(choice.message.content, whole.choices[i].message.content);
      assert.equal(choice.message.role, 'assistant');
      assert.deepEqual(choice.logprobs.content, whole.choices[i].logprobs.content);
      for (const token of choice.logprobs.content) {
        assert.equal(token.top_logprobs.length, 2);
        assert.deepEqual([...Buffer.from(token.token)], token.bytes);
      }
    }
  },

  async jsonSchemaIsHeld() {
    for (const seed of [1, 2, 3]) {
      const {choices} = await openai.chat.completions.create({
        model, messages, seed, temperature: 1.5,
        response_format: {type: 'json_schema', json_schema: {name: 'weather', strict: true, schema: weather}},
      });
      const {city, days} = JSON.parse(choices[0].message.content);
      assert.ok(['Oslo', 'Rome'].includes(city) && days >= 1 && days <= 9);
    }
    const {choices} = await openai.chat.completions.create({model, messages, seed: 1, max_tokens: 400, response_format: {type: 'json_object'}});
    if (choices[0].finish_reason === 'stop') assert.equal(typeof JSON.parse(choices[0].message.content), 'object');
  },

  async toolsThatMustBeCalled() {
    const tools = [{type: 'function', function: {name: 'weather', parameters: weather}}];
    const runner = openai.chat.completions.stream({model, messages, seed: 1, tools, tool_choice: 'required'});
    const {choices: [{message, finish_reason}]} = await runner.finalChatCompletion();
    assert.equal(finish_reason, 'tool_calls');
    assert.equal(message.tool_calls[0].function.name, 'weather');
    JSON.parse(message.tool_calls[0].function.arguments);
    const next = await openai.chat.completions.create({
      model, seed: 1, tools,
      messages: [...messages, message, {role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'rain'}],
    });
    assert.ok(next.choices[0].finish_reason);
  },

  async errorsAreTheSdksClasses() {
    await assert.rejects(openai.chat.completions.create({model: 'nobody', messages}), OpenAI.NotFoundError);
    await assert.rejects(openai.chat.completions.create({model, messages, temperature: 9}), error => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, 'temperature');
      return true;
    });
    await assert.rejects(new OpenAI({baseURL: `${url}/v1`, apiKey: 'wrong'}).models.list(), OpenAI.AuthenticationError);
    await assert.rejects(anthropic.messages.create({model, max_tokens: 0, messages}), error => {
      assert.ok(error instanceof Anthropic.BadRequestError);
      assert.match(error.requestID, /^req-/);
      assert.equal(error.error.type, 'error');
      assert.equal(error.error.request_id, error.requestID);
      assert.equal(error.error.error.type, 'invalid_request_error');
      return true;
    });
    await assert.rejects(anthropic.messages.create({model: 'nobody', max_tokens: 9, messages}), Anthropic.NotFoundError);
    await assert.rejects(new Anthropic({baseURL: url, apiKey: 'wrong'}).messages.create({model, max_tokens: 9, messages}), error => {
      assert.ok(error instanceof Anthropic.AuthenticationError);
      assert.equal(error.error.error.type, 'authentication_error');
      return true;
    });
  },

  async completions() {
    const {choices, usage} = await openai.completions.create({model, prompt: ['Use 1', 'Use 2'], max_tokens: 3, echo: true, logprobs: 1, temperature: 0});
    assert.deepEqual(choices.map(choice => choice.index), [0, 1]);
    for (const {text, logprobs} of choices) {
      assert.ok(text.startsWith('Use '));
      assert.equal(logprobs.tokens.length, logprobs.token_logprobs.length);
      assert.equal(logprobs.token_logprobs[0], null);
      for (const [i, value] of logprobs.token_logprobs.entries()) {
        if (i > 0) assert.ok(Object.values(logprobs.top_logprobs[i]).includes(value));
      }
    }
    assert.equal(usage.completion_tokens, 6);
    let streamed = '';
    for await (const chunk of await openai.completions.create({model, prompt: 'Use 1', max_tokens: 3, temperature: 0, stream: true})) streamed += chunk.choices[0].text;
    assert.equal('Use 1' + streamed, choices[0].text);
  },

  async responsesGoOnFromEachOther() {
    const first = await openai.responses.create({model, input: messages[0].content, instructions: 'Be brief.', temperature: 0, reasoning: {effort: 'medium'}});
    assert.equal(first.status, 'completed');
    assert.deepEqual(first.output.map(item => item.type), ['reasoning', 'message']);
    assert.ok(first.output_text.length > 0);
    assert.ok(first.usage.output_tokens_details.reasoning_tokens > 0);
    assert.equal((await openai.responses.retrieve(first.id)).id, first.id);
    const events = [];
    const stream = openai.responses.stream({model, temperature: 0, input: 'Use 9, 7 and 6 to make 10', previous_response_id: first.id});
    for await (const event of stream) events.push(event);
    const second = await stream.finalResponse();
    assert.equal(second.status, 'completed');
    assert.equal(second.previous_response_id, first.id);
    await assert.rejects(openai.responses.create({model, input: 'x', previous_response_id: 'resp_nobody'}), OpenAI.NotFoundError);
    assert.deepEqual(events.map(event => event.sequence_number), events.map((_, i) => i));
    const types = events.map(event => event.type);
    assert.equal(types[0], 'response.created');
    assert.equal(types.at(-1), 'response.completed');
    for (const type of ['response.in_progress', 'response.output_item.added', 'response.reasoning_text.delta', 'response.reasoning_text.done',
                        'response.content_part.added', 'response.output_text.delta', 'response.output_text.done', 'response.output_item.done']) {
      assert.ok(types.includes(type), type);
    }
    const text = events.filter(event => event.type === 'response.output_text.delta').map(event => event.delta).join('');
    assert.equal(text, second.output_text);
    await openai.responses.delete(first.id);
    await assert.rejects(openai.responses.retrieve(first.id), OpenAI.NotFoundError);
    const cut = await openai.responses.create({model, input: messages[0].content, max_output_tokens: 3});
    assert.equal(cut.status, 'incomplete');
    assert.equal(cut.incomplete_details.reason, 'max_output_tokens');
    // The whole conversation by hand, as clients without state do.
    const third = await openai.responses.create({model, store: false, input: [...messages, ...second.output, {role: 'user', content: messages[0].content}], temperature: 0});
    assert.equal(third.status, 'completed');
    await assert.rejects(openai.responses.retrieve(third.id), OpenAI.NotFoundError);
    const tool = await openai.responses.create({model, input: messages[0].content, tool_choice: 'required', tools: [{type: 'function', name: 'weather', parameters: weather, strict: true}]});
    const call = tool.output.find(item => item.type === 'function_call');
    JSON.parse(call.arguments);
    await openai.responses.create({model, previous_response_id: tool.id, input: [{type: 'function_call_output', call_id: call.call_id, output: 'rain'}]});
  },

  async responsesStreamedAndWholeAreOneAnswer() {
    const tools = [{type: 'function', name: 'weather', parameters: weather, strict: true}];
    for (const more of [{}, {tools, tool_choice: 'required'}, {reasoning: {effort: 'none'}}, {max_output_tokens: 5},
                        {text: {format: {type: 'json_schema', name: 'weather', schema: weather}}}]) {
      const request = {model, input: messages, seed: 7, ...more};
      const whole = await openai.responses.create(request);
      responsesUsageHolds(whole.usage);
      const open = new Map();
      let items = 0, last;
      for await (const event of await openai.responses.create({...request, stream: true})) {
        last = event;
        if (event.type === 'response.output_item.added') {
          assert.equal(event.output_index, items++);
          open.set(event.item.id, '');
        } else if (event.type.endsWith('.delta')) {
          open.set(event.item_id, open.get(event.item_id) + event.delta);
        } else if (event.type === 'response.output_item.done') {
          const {item} = event;
          assert.equal(open.get(item.id), item.arguments ?? item.content[0].text);
          open.delete(item.id);
        }
      }
      assert.equal(open.size, 0, 'all that was opened is closed');
      assert.equal(last.type, more.max_output_tokens ? 'response.incomplete' : 'response.completed');
      assert.deepEqual(withoutIds(last.response.output), withoutIds(whole.output));
      assert.equal(last.response.usage.output_tokens, whole.usage.output_tokens);
      assert.equal(last.response.usage.input_tokens, whole.usage.input_tokens);
      if (more.reasoning) assert.deepEqual(whole.output.map(item => item.type), ['message']);
      if (more.text) assert.ok(['Oslo', 'Rome'].includes(JSON.parse(whole.output_text).city));
    }
  },

  async responsesInTheBackground() {
    let response = await openai.responses.create({model, input: messages[0].content, temperature: 0, background: true});
    assert.equal(response.status, 'in_progress');
    assert.equal(response.background, true);
    while (response.status === 'in_progress') {
      await new Promise(done => setTimeout(done, 20));
      response = await openai.responses.retrieve(response.id);
    }
    assert.equal(response.status, 'completed');
    const whole = await openai.responses.create({model, input: messages[0].content, temperature: 0});
    assert.deepEqual(withoutIds(response.output), withoutIds(whole.output));
    // A reader that leaves does not end it.
    let id;
    for await (const event of await openai.responses.create({model, input: messages[0].content, temperature: 0, background: true, stream: true})) {
      id = event.response.id;
      break;
    }
    do {
      await new Promise(done => setTimeout(done, 20));
      response = await openai.responses.retrieve(id);
    } while (response.status === 'in_progress');
    assert.deepEqual(withoutIds(response.output), withoutIds(whole.output));
    // One that is deleted is no longer made: to the end of its context it would have many more tokens.
    const full = (await openai.responses.create(endless)).usage.output_tokens;
    const before = await metric('generation_tokens_total');
    ({id} = await openai.responses.create({...endless, background: true}));
    await openai.responses.delete(id);
    await assert.rejects(openai.responses.retrieve(id), OpenAI.NotFoundError);
    while (await metric('num_requests_running') > 0) await new Promise(done => setTimeout(done, 20));
    assert.ok(await metric('generation_tokens_total') - before < full / 2);
    await assert.rejects(openai.responses.create({model, input: 'x', background: true, store: false}), OpenAI.BadRequestError);
  },

  async responsesBrokenOffArePickedUp() {
    const request = {model, input: messages[0].content, temperature: 0, background: true, stream: true};
    let id, last;
    const heard = [];
    const keep = event => (heard.push(event), (last = event.sequence_number));
    for await (const event of await openai.responses.create(request)) {
      id ??= event.response.id;
      if (keep(event) === 8) break;
    }
    for await (const event of await openai.responses.retrieve(id, {stream: true, starting_after: last})) {
      if (keep(event) === 11) break;
    }
    for await (const event of await openai.responses.retrieve(id, {stream: true, starting_after: last})) keep(event);
    assert.deepEqual(heard.map(event => event.sequence_number), heard.map((_, i) => i));
    assert.equal(heard.at(-1).type, 'response.completed');
    const said = heard.filter(event => event.type === 'response.output_text.delta').map(event => event.delta).join('');
    assert.equal(said, (await openai.responses.create({...request, background: false, stream: false})).output_text);
    const plain = await openai.responses.create({model, input: messages[0].content, max_output_tokens: 1});
    await assert.rejects(openai.responses.retrieve(plain.id, {stream: true}), OpenAI.BadRequestError);
    await assert.rejects(openai.responses.retrieve(id, {starting_after: 3}), OpenAI.BadRequestError);
  },
  async responsesReferToItems() {
    const first = await openai.responses.create({model, input: messages[0].content, temperature: 0});
    const ask = items => openai.responses.create({model, temperature: 0, store: false, input: [...messages, ...items, {role: 'user', content: 'Use 9, 7 and 6 to make 10'}]});
    const whole = await ask(first.output);
    const referred = await ask(first.output.map(({id}) => ({type: 'item_reference', id})));
    assert.equal(referred.usage.input_tokens, whole.usage.input_tokens);
    assert.deepEqual(withoutIds(referred.output), withoutIds(whole.output));
    const many = Array(250000).fill({id: first.output[0].id});
    await assert.rejects(ask(many), error => error.status === 400 && /refers to more than/.test(error.message));
    await assert.rejects(ask([{type: 'item_reference', id: 'msg_nobody'}]), error => error.status === 400 && error.param === 'input[1].id');
  },

  async responsesListTheirInput() {
    const {id} = await openai.responses.create({model, input: [...messages, {role: 'assistant', content: 'none'}, {role: 'user', content: messages[0].content}], max_output_tokens: 1});
    const roles = [];
    const seen = new Set();
    for await (const item of openai.responses.inputItems.list(id, {order: 'asc', limit: 1})) {
      roles.push(item.role);
      assert.equal(item.type, 'message');
      seen.add(item.id);
    }
    assert.deepEqual(roles, [...messages.map(m => m.role), 'assistant', 'user']);
    assert.equal(seen.size, roles.length);
    const text = await openai.responses.create({model, input: 'hello', previous_response_id: id, max_output_tokens: 1});
    const list = await openai.responses.inputItems.list(text.id);
    assert.deepEqual(list.data.map(item => item.content[0].text), ['hello']);
    await assert.rejects(openai.responses.inputItems.list('resp_nobody'), OpenAI.NotFoundError);
    await assert.rejects(openai.responses.inputItems.list(id, {after: 'msg_nobody'}), OpenAI.BadRequestError);
  },
  async responsesHaveLogprobs() {
    const request = {model, input: messages[0].content, temperature: 0, include: ['message.output_text.logprobs'], top_logprobs: 2};
    const whole = await openai.responses.create(request);
    const {text, logprobs} = whole.output.find(item => item.type === 'message').content[0];
    // Special tokens are not in the text.
    assert.equal(logprobs.map(one => one.token).join('').replace(/<[^>]*>/g, ''), text);
    for (const one of logprobs) {
      assert.equal(one.top_logprobs.length, 2);
      assert.equal(one.logprob, one.top_logprobs[0].logprob, 'greedy');
    }
    const streamed = [];
    for await (const event of await openai.responses.create({...request, stream: true})) {
      if (event.type === 'response.output_text.delta') streamed.push(...event.logprobs);
    }
    assert.deepEqual(streamed, logprobs);
    const without = await openai.responses.create({model, input: messages[0].content, temperature: 0});
    assert.deepEqual(without.output.find(item => item.type === 'message').content[0].logprobs, []);
  },

  async responsesAreCancelled() {
    const stream = await openai.responses.create({...endless, stream: true});
    let id, last;
    for await (const event of stream) {
      last = event;
      if (id) continue;
      id = event.response.id;
      assert.equal((await openai.responses.retrieve(id)).status, 'in_progress');
      await assert.rejects(openai.responses.create({model, input: 'x', previous_response_id: id}), OpenAI.BadRequestError);
      assert.equal((await openai.responses.cancel(id)).status, 'cancelled');
    }
    assert.equal(last.type, 'response.incomplete');
    assert.equal(last.response.status, 'cancelled');
    assert.equal((await openai.responses.retrieve(id)).status, 'cancelled');
    await assert.rejects(openai.responses.cancel(id), OpenAI.BadRequestError);
    await assert.rejects(openai.responses.cancel('resp_nobody'), OpenAI.NotFoundError);
  },

  async anthropicStreamedAndWholeAreOneAnswer() {
    const tools = [{name: 'weather', input_schema: weather}];
    for (const more of [{}, {tools, tool_choice: {type: 'any'}}, {thinking: {type: 'disabled'}}, {max_tokens: 5},
                        {output_config: {format: {type: 'json_schema', schema: weather}}}]) {
      const request = {model, max_tokens: 900, messages, seed: 7, ...more};
      const whole = await anthropic.messages.create(request);
      const stream = anthropic.messages.stream(request);
      let index = -1, open = false, ended = false;
      stream.on('streamEvent', event => {
        assert.ok(!ended);
        if (event.type === 'content_block_start') {
          assert.ok(!open);
          assert.equal(event.index, ++index);
          open = true;
        } else if (event.type.startsWith('content_block')) {
          assert.ok(open);
          assert.equal(event.index, index);
          if (event.type === 'content_block_stop') open = false;
        }
        ended = event.type === 'message_stop';
      });
      const final = await stream.finalMessage();
      assert.ok(ended && !open);
      assert.deepEqual(withoutIds(final.content), withoutIds(whole.content));
      assert.equal(final.stop_reason, whole.stop_reason);
      assert.equal(final.stop_reason, more.tools ? 'tool_use' : more.max_tokens ? 'max_tokens' : 'end_turn');
      for (const {usage} of [whole, final]) {
        assert.equal(usage.output_tokens, whole.usage.output_tokens);
        assert.ok(usage.output_tokens_details.thinking_tokens <= usage.output_tokens);
        assert.equal(usage.input_tokens + usage.cache_read_input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
      }
      if (more.thinking) assert.deepEqual(whole.content.map(block => block.type), ['text']);
      if (more.output_config) assert.ok(['Oslo', 'Rome'].includes(JSON.parse(whole.content.at(-1).text).city));
    }
    // A conversation that no context holds is counted nevertheless.
    const long = [{role: 'user', content: 'Use 9, 7 and 8 to make 10. '.repeat(2000)}];
    assert.ok((await anthropic.messages.countTokens({model, messages: long})).input_tokens > 10000);
    await assert.rejects(anthropic.messages.create({model, max_tokens: 5, messages: long}), Anthropic.BadRequestError);
  },

  async anthropicMessages() {
    const request = {model: 'claude-opus-4', max_tokens: 400, messages, system: [{type: 'text', text: 'Be brief.'}], thinking: {type: 'enabled', budget_tokens: 1024}, temperature: 0};
    const whole = await anthropic.messages.create(request);
    assert.equal(whole.role, 'assistant');
    assert.deepEqual(whole.content.map(block => block.type), ['thinking', 'text']);
    assert.equal(whole.stop_reason, 'end_turn');
    const counted = await anthropic.messages.countTokens({model: request.model, messages, system: request.system});
    assert.equal(counted.input_tokens, whole.usage.input_tokens + whole.usage.cache_read_input_tokens);
    const stream = anthropic.messages.stream({...request, temperature: 0});
    const types = new Set();
    stream.on('streamEvent', event => types.add(event.type));
    const final = await stream.finalMessage();
    for (const type of ['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop', 'message_delta', 'message_stop']) assert.ok(types.has(type), type);
    const again = await anthropic.messages.create({...request, temperature: 0});
    assert.deepEqual(final.content, again.content);
    const bounded = await anthropic.messages.create({...request, temperature: 0, thinking: {type: 'enabled', budget_tokens: 8}});
    assert.ok(bounded.content[0].thinking.length < again.content[0].thinking.length, 'the budget is kept');
    assert.equal(bounded.content.at(-1).type, 'text');
    const silent = await anthropic.messages.create({...request, thinking: {type: 'disabled'}});
    assert.deepEqual(silent.content.map(block => block.type), ['text']);
    // What was said before comes back, thoughts too.
    const next = await anthropic.messages.create({...request, messages: [...messages, {role: 'assistant', content: again.content}, {role: 'user', content: messages[0].content}]});
    assert.ok(next.content.length > 0);
    const stopped = await anthropic.messages.create({...request, thinking: {type: 'disabled'}, temperature: 0, stop_sequences: [')', '+', '-', '*', '/']});
    assert.equal(stopped.stop_reason, 'stop_sequence');
    const cut = await anthropic.messages.create({...request, max_tokens: 4});
    assert.equal(cut.stop_reason, 'max_tokens');
  },

  async anthropicTools() {
    const tools = [{name: 'weather', input_schema: weather}];
    const stream = anthropic.messages.stream({model, max_tokens: 400, temperature: 0, messages, tools, tool_choice: {type: 'tool', name: 'weather'}});
    const final = await stream.finalMessage();
    assert.equal(final.stop_reason, 'tool_use');
    const use = final.content.find(block => block.type === 'tool_use');
    assert.ok(['Oslo', 'Rome'].includes(use.input.city));
    const next = await anthropic.messages.create({model, max_tokens: 50, tools, messages: [...messages, {role: 'assistant', content: final.content},
      {role: 'user', content: [{type: 'tool_result', tool_use_id: use.id, content: 'rain'}]}]});
    assert.ok(next.stop_reason);
  },
};

let failed = 0;
for (const [name, run] of Object.entries(tests)) {
  if (process.argv.length > 2 && !process.argv.includes(name)) continue;
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}\n${error.stack ?? error}`);
  }
}
process.exit(failed ? 1 : 0);
