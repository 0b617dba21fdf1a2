// A stand-in for `aha serve` to develop and test the page with: node mock/server.mjs DIST [PORT]
// It speaks docs/app_api.md from memory, with an invented model. What a test wants of the model it writes in its message:
//   /say TEXT     the answer is TEXT            /think TEXT   the thought is TEXT
//   /long N       an answer of N words          /slow         a token every 60 ms rather than 4
//   /fail         the turn ends with an error   /endless      a thought that goes on until it is ended
// Environment: AHA_MOCK_KEY (asks for that key), AHA_MOCK_LOCKED (the store waits for its passphrase "open sesame"),
// AHA_MOCK_MODELS (a JSON list of further model names), AHA_MOCK_RUNS (a real server's address, whose runs are shown).
import http from 'node:http';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Library} from './library.mjs';
import {Turns} from './turns.mjs';
import {runRoute} from './runs.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.resolve(process.argv[2] ?? path.join(here, '../dist'));
const port = Number(process.argv[3] ?? process.env.PORT ?? 8017);
const key = process.env.AHA_MOCK_KEY ?? '';
let locked = Boolean(process.env.AHA_MOCK_LOCKED);
let encrypted = locked;

const kMimes = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.txt': 'text/plain; charset=utf-8',
};
export const kPolicy = 'default-src \'none\'; script-src \'self\'; style-src \'self\'; img-src \'self\' data:; ' +
    'font-src \'self\'; connect-src \'self\'; base-uri \'none\'; form-action \'none\'; frame-ancestors \'none\'';

const model = (id, more = {}) => ({
  id, family: 'llama', parameters: 134_515_008, file_bytes: 269_060_552, memory_bytes: 410_000_000, context: 8192,
  fits: true, loaded: false, tokens_per_second: 41, thinking: 'optional', source: 'models', run: null, step: null, ...more,
});
const models = [
  model('aha-countdown', {parameters: 9_437_184, memory_bytes: 52_000_000, context: 512, loaded: true, tokens_per_second: 900, thinking: 'always'}),
  model('SmolLM2-135M-Instruct', {thinking: 'none'}),
  model('DeepSeek-R1-Distill-Qwen-1.5B', {parameters: 1_777_088_000, memory_bytes: 4_100_000_000, context: 131_072, tokens_per_second: 9.4, thinking: 'always'}),
  model('DeepSeek-R1-Distill-Qwen-32B', {parameters: 32_763_876_352, memory_bytes: 69_000_000_000, context: 131_072, fits: false, tokens_per_second: null, thinking: 'always'}),
  model('runs/countdown-7/step-000200', {source: 'run', run: 'countdown-7', step: 200, parameters: 9_437_184, memory_bytes: 52_000_000, context: 512}),
  ...JSON.parse(process.env.AHA_MOCK_MODELS ?? '[]').map(id => model(id)),
];

const library = new Library();
const turns = new Turns(library, models);

class Refusal extends Error {
  constructor(status, message, param = null) {
    super(message);
    Object.assign(this, {status, param});
  }
}

function reply(response, status, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, text ? {'content-type': 'application/json'} : {});
  response.end(text);
}

function servePage(url, response) {
  const name = url.pathname === '/' ? '/index.html' : url.pathname;
  const file = path.join(dist, path.normalize(name));
  if (!file.startsWith(dist) || !fs.existsSync(file)) return reply(response, 404, {error: {message: `There is no ${name}.`}});
  response.writeHead(200, {
    'content-type': kMimes[path.extname(file)] ?? 'application/octet-stream', 'content-security-policy': kPolicy,
    'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin',
    'cache-control': 'no-cache',
  });
  response.end(fs.readFileSync(file));
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const text = Buffer.concat(pieces).toString('utf8');
  if (!text) return {};
  if (!/^application\/json/.test(request.headers['content-type'] ?? '')) throw new Refusal(415, 'A body must be application/json.');
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'The body is not JSON.');
  }
}

function status() {
  return {
    version: '0.1.0-mock', key_required: key !== '', default_model: 'aha-countdown', encrypted, locked,
    limits: {max_message_bytes: 1_000_000, max_samples: 32},
    machine: {cpu: 'Invented CPU', cores: 8, memory_bytes: 16_000_000_000, code_path: 'avx2'},
    sandbox: {network: 'no outbound connects', files: 'only its own folders'}, runs: true,
  };
}

async function api(request, url, response) {
  if (key && request.headers.authorization !== `Bearer ${key}`) throw new Refusal(401, 'This server asks for its key.');
  const {method} = request;
  const [, , what, id, verb] = url.pathname.split('/').map(decodeURIComponent);
  const body = method === 'GET' ? {} : await bodyOf(request);
  if (what === 'status') return reply(response, 200, status());
  if (what === 'models') return reply(response, 200, {models});
  if (what === 'unlock') {
    if (body.passphrase !== 'open sesame') throw new Refusal(403, 'That is not the passphrase.');
    locked = false;
    return reply(response, 204);
  }
  if (what === 'encrypt') {
    encrypted = true;
    return reply(response, 204);
  }
  if (what === 'runs' || what === 'recipes') return runRoute(what, id, reply, request, body, response);
  if (locked) throw new Refusal(423, 'The conversations wait for their passphrase.');
  if (what === 'conversations') return conversationRoute(method, id, verb, url, body, response);
  if (what === 'export') return reply(response, 200, library.export(null));
  if (what === 'import') return reply(response, 200, {imported: library.import(body, Refusal)});
  if (what === 'turns') return turnRoute(method, id, verb, url, body, request, response);
  throw new Refusal(404, `There is no ${url.pathname}.`);
}

function conversationRoute(method, id, verb, url, body, response) {
  if (!id && method === 'GET') return reply(response, 200, {conversations: library.list(url.searchParams)});
  if (!id && method === 'POST') return reply(response, 200, library.create(body));
  if (!id && method === 'DELETE') return reply(response, 204, library.clear());
  const found = library.get(id);
  if (!found) throw new Refusal(404, 'There is no such conversation.');
  if (verb === 'export') return reply(response, 200, library.export(id));
  if (method === 'GET') return reply(response, 200, found);
  if (method === 'PATCH') return reply(response, 200, library.patch(found, body));
  if (method === 'DELETE') return reply(response, 204, library.remove(id));
  throw new Refusal(405, `${method} is not done here.`);
}

function turnRoute(method, id, verb, url, body, request, response) {
  if (!id && method === 'POST') return reply(response, 201, turns.start(body, Refusal));
  const turn = turns.get(id);
  if (!turn) throw new Refusal(404, 'There is no such turn.');
  if (verb === 'stop' || verb === 'end-thought') {
    turn[verb === 'stop' ? 'stop' : 'endThought'] = true;
    return reply(response, 204);
  }
  response.writeHead(200, {'content-type': 'text/event-stream', 'cache-control': 'no-store'});
  const from = Number(url.searchParams.get('from') ?? 0);
  request.on('close', turn.read(from, (number, data) => {
    response.write(number === null ? `data: ${JSON.stringify(data)}\n\n` : `id: ${number}\ndata: ${JSON.stringify(data)}\n\n`);
  }, () => response.end()));
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  try {
    if (url.pathname.startsWith('/api/')) await api(request, url, response);
    else servePage(url, response);
  } catch (error) {
    if (!response.headersSent) {
      reply(response, error.status ?? 500, {error: {message: error.message, type: 'invalid_request_error', param: error.param ?? null, code: null}});
    }
  }
});
server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
