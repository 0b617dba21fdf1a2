// What the growth view computes: curves, settings, and texts cut where their tokens end.
import * as esbuild from 'esbuild';
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import {fileURLToPath} from 'node:url';

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), '../src/growth');

async function load(name) {
  const {outputFiles} = await esbuild.build({
    entryPoints: [path.join(folder, name)], bundle: true, write: false, format: 'esm', jsx: 'automatic', jsxImportSource: 'preact',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

test('a stage begins with what the model was before it', async () => {
  const {Curves} = await load('curves.ts');
  const curves = new Curves();
  curves.add({stage: 'rl', step: 1, total_step: 401, 'base_eval/accuracy': 0.5, reward: 0.4, time: 7});
  curves.add({stage: 'rl', step: 2, total_step: 402, 'eval/accuracy': 0.75, reward: NaN, x: 'text'});
  curves.add({reward: 1});
  assert.deepEqual(curves.get('eval/accuracy'), {steps: [400, 402], values: [0.5, 0.75]});
  assert.deepEqual(curves.get('reward'), {steps: [401], values: [0.4]});
  assert.deepEqual(curves.keys(), ['eval/accuracy', 'reward']);
});

test('smoothing begins at the first value and keeps a constant', async () => {
  const {smooth} = await load('curves.ts');
  assert.deepEqual(smooth([3, 1], 0), [3, 1]);
  for (const value of smooth([2, 2, 2, 2], 0.9)) assert.ok(Math.abs(value - 2) < 1e-12);
  const values = smooth([0, 1, 1, 1], 0.5);
  assert.equal(values[0], 0);
  assert.ok(values[1] > 0 && values[1] < values[2] && values[3] < 1);
});

test('curves of other steps share one axis', async () => {
  const {aligned} = await load('curves.ts');
  assert.deepEqual(aligned([{steps: [1, 3], values: [5, 6]}, {steps: [2, 3], values: [7, 8]}]),
                   [[1, 2, 3], [5, null, 6], [null, 7, 8]]);
  assert.deepEqual(aligned([]), [[]]);
});

test('what was edited becomes set pairs', async () => {
  const {settingsOf, setPairs, freeName} = await load('settings.ts');
  const settings = settingsOf({name: 'p', rl: {lr: 1e-4, rewards: [{name: 'correct'}], data: {bits: 8}}, stages: ['a', 'b']});
  assert.deepEqual(settings.map(({key, value}) => [key, value]),
                   [['name', '"p"'], ['stages', '["a","b"]'], ['rl.lr', '0.0001'], ['rl.data.bits', '8']]);
  assert.deepEqual(setPairs(settings, {'rl.lr': ' 2e-4', name: '"p"'}, '\n rl.beta=1 \n'), ['rl.lr=2e-4', 'rl.beta=1']);
  assert.equal(freeName('parity', new Set()), 'parity');
  assert.equal(freeName('parity', new Set(['parity', 'parity-2'])), 'parity-3');
  assert.equal(freeName('../a b', new Set()), 'a-b');
  assert.equal(freeName('...', new Set()), 'run');
});

test('tokens of a part of a text', async () => {
  const {slice, tokenClass} = await load('TokenText.tsx');
  const tokens = ['<think>', 'ab', 'c</', 'think>', 'yes', ''].map((text, i) => ({text, logprob: -i}));
  const text = tokens.map(token => token.text).join('');
  assert.deepEqual(slice(tokens, 7, 10).map(token => [token.text, token.logprob]), [['ab', -1], ['c', -2]]);
  assert.deepEqual(slice(tokens, text.length - 3, text.length).map(token => token.text), ['yes', '']);
  assert.equal(tokenClass({text: 'x', logprob: -0.01}, 'logprob', 1), '');
  assert.equal(tokenClass({text: 'x', logprob: -9}, 'logprob', 1), 'odd6');
  // A sure token is not pushed, whatever its sample was worth.
  assert.equal(tokenClass({text: 'x', logprob: 0}, 'push', 2), '');
  assert.match(tokenClass({text: 'x', logprob: -2}, 'push', 1), /^up/);
  assert.match(tokenClass({text: 'x', logprob: -2}, 'push', -1), /^down/);
});
