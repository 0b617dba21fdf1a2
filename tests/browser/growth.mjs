// The growth view in a real browser, on runs that the page itself starts: node tests/browser/growth.mjs AHA [PAGE]
// AHA is the program. PAGE: where the page comes from when that is not the program (a development server).
// PLAYWRIGHT is the folder that playwright-core is installed in, CHROMIUM the browser; SHOTS, if set, gets screenshots.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const {chromium} = createRequire(path.join(process.env.PLAYWRIGHT ?? here, 'x.js'))('playwright-core');
const aha = path.resolve(process.argv[2]);
const recipes = path.resolve(here, '../../recipes');
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'aha-growth-'));
const hostile = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';

const small = [
  'pretrain.steps=40', 'pretrain.batch_tokens=2000', 'task.bits=8', 'pretrain.data.bits=8', 'rl.steps=12', 'rl.prompts=4',
  'rl.samples=8', 'eval.problems=32', 'eval.every=4', 'checkpoint.every=2', 'checkpoint.supervised_every=20',
];

// A model to serve: the page shows what it finds in the folder of runs.
function firstModel() {
  const args = ['train', path.join(recipes, 'parity.toml'), '--threads', '1', '--out', path.join(root, 'model')];
  const set = [...small, 'pretrain.steps=2', 'rl.steps=1'].flatMap(pair => ['--set', pair]);
  const ended = spawnSync(aha, [...args, ...set], {encoding: 'utf8'});
  assert.equal(ended.status, 0, ended.stderr);
  return path.join(root, 'model/final');
}

async function serve(model) {
  const port = process.env.AHA_PORT ?? '0';
  const args = ['serve', '-m', model, '--port', port, '--runs', path.join(root, 'runs'), '--recipes', recipes, '--data', path.join(root, 'data')];
  const server = spawn(aha, args, {cwd: root, stdio: ['ignore', 'pipe', 'inherit']});
  const address = await new Promise((resolve, reject) => {
    let text = '';
    server.stdout.on('data', data => {
      text += data;
      const found = text.match(/http:\/\/\S+/);
      if (found) resolve(found[0]);
    });
    server.on('exit', code => reject(new Error(`aha serve ended with ${code}`)));
  });
  return {server, address};
}

let shots = 0;
async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({path: path.join(process.env.SHOTS, `growth-${++shots}-${name}.png`)});
}

async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `the page is ${over} px too wide at ${page.url()}`);
}

const pill = (page, text) => page.locator('.g-head .g-pill', {hasText: text}).waitFor({timeout: 60_000});

async function emptyThenStarted(page) {
  await page.goto(`${page.base}/#/growth`);
  await page.getByRole('heading', {name: 'No run yet'}).waitFor();
  await shot(page, 'empty');
  await page.getByRole('link', {name: 'Start a run'}).click();
  await page.getByLabel('Name of the run').fill('grown');
  await page.getByText('Settings that the recipe does not have').click();
  const extra = page.locator('.g-form textarea');
  await extra.fill('rl.stepss=3');
  await page.getByRole('button', {name: 'Start training'}).click();
  await page.getByText("did you mean 'steps'").waitFor();
  await shot(page, 'refused');
  // One by its own field, the others as lines.
  await page.locator('summary', {hasText: /^rl/}).click();
  await page.getByLabel('rl.steps', {exact: true}).fill('12');
  await extra.fill(small.filter(pair => !pair.startsWith('rl.steps=')).join('\n'));
  await page.getByRole('button', {name: 'Start training'}).click();
  await page.getByRole('heading', {name: 'grown'}).waitFor();
  await pill(page, 'finished');
}

async function curves(page) {
  await page.locator('.g-chart').nth(4).waitFor();
  const plot = page.locator('.g-chart', {hasText: 'Reward'}).locator('.g-plot').first();
  await plot.hover();
  await page.locator('.g-at').first().waitFor();
  await plot.focus();
  await page.keyboard.press('End');
  assert.match(await page.locator('.g-at').first().textContent(), /step 52/);
  await page.getByLabel('Logarithmic').check();
  await page.getByLabel('Smoothing').fill('0.8');
  await page.getByLabel('More curves').check();
  await page.locator('.g-chart', {hasText: 'Entropy'}).waitFor();
  for (const value of await page.locator('.g-chart', {hasText: 'Reward'}).locator('.g-value b').allTextContents()) assert.match(value, /^\d/);
  await shot(page, 'curves');
  await fits(page);
}

async function groups(page) {
  await page.getByRole('tab', {name: 'Curves'}).focus();
  await page.keyboard.press('ArrowRight');
  await page.locator('.g-sample').first().waitFor();
  assert.equal(await page.locator('.g-sample').count(), 8);
  assert.equal(await page.locator('.g-groups button').count(), 4);
  assert.ok(await page.locator('.g-token').count() > 0);
  const text = await page.locator('.g-sample .g-text').first().innerText();
  await page.locator('.g-segments label', {hasText: 'Push'}).click();
  await page.getByText('less likely from now on').waitFor();
  assert.equal(await page.locator('.g-sample .g-text').first().innerText(), text);
  await page.getByRole('button', {name: 'The step before'}).click();
  await page.getByText('rl 11').waitFor();
  assert.match(page.url(), /step=51/);
  await shot(page, 'groups');
  await fits(page);
}

async function problem(page) {
  const asked = [];
  page.on('request', request => request.url().endsWith('/answers') && asked.push(request.postData()));
  await page.getByRole('tab', {name: 'One problem'}).click();
  await page.locator('.g-large .g-why').waitFor();
  const checkpoints = await page.locator('.g-timeline li').count();
  assert.ok(checkpoints >= 8, `${checkpoints} checkpoints`);
  assert.equal(asked.length, 1, 'only what is looked at is asked');
  await page.getByRole('slider', {name: 'Checkpoint'}).focus();
  for (let i = 1; i < checkpoints; ++i) {
    await page.keyboard.press('ArrowLeft');
    await page.locator('.g-timeline li', {has: page.locator('.on.good, .on.bad')}).waitFor();
  }
  assert.equal(asked.length, checkpoints);
  await page.keyboard.press('End');
  await page.getByLabel('Beside').selectOption({index: 1});
  await page.locator('.g-large').nth(1).locator('.g-why').waitFor();
  assert.equal(asked.length, checkpoints, 'an answer is asked for once');
  await page.locator('.g-segments label', {hasText: 'Log-prob'}).click();
  await shot(page, 'problem');
  await fits(page);
  const link = await page.getByRole('link', {name: 'Chat with it'}).first().getAttribute('href');
  assert.match(decodeURIComponent(link), /model=runs\/grown\//);
}

// What other clients than this page follow a run by.
async function events(page) {
  const response = await fetch(`${page.address}/api/runs/grown/events?from=50`, {headers: {Accept: 'text/event-stream'}});
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('"status"')) text += (await reader.read()).value;
  await reader.cancel();
  const all = text.trim().split('\n\n').map(event => JSON.parse(event.replace(/^data: /, '')));
  assert.deepEqual(all.filter(event => event.type === 'metrics').map(event => [event.index, event.line.total_step]), [[50, 51], [51, 52]]);
  assert.equal(all.at(-1).status, 'finished');
}

async function stopAndResume(page) {
  await page.goto(`${page.base}/#/growth/new?recipe=parity`);
  await page.getByLabel('Name of the run').fill('long');
  await page.getByText('Settings that the recipe does not have').click();
  await page.locator('.g-form textarea').fill('pretrain.steps=100000');
  await page.getByRole('button', {name: 'Start training'}).click();
  await pill(page, 'running');
  await page.locator('.g-chart').first().waitFor();
  await page.getByRole('button', {name: 'Stop'}).click();
  await pill(page, 'stopped');
  await page.getByRole('button', {name: 'Resume'}).click();
  await pill(page, 'running');
  await shot(page, 'running');
  await page.goto(`${page.base}/#/growth`);
  await page.getByLabel('Compare long').check();
  await page.getByLabel('Compare grown').check();
  await page.getByRole('button', {name: 'Compare 2'}).click();
  await page.locator('.g-chart', {hasText: 'Loss'}).getByText('long').waitFor();
  await shot(page, 'compare');
  await page.goto(`${page.base}/#/growth/run/long`);
  await page.getByRole('button', {name: 'Stop'}).click();
  await pill(page, 'stopped');
}

// Names, prompts, texts and reasons are strangers' words.
function plantHostileRun() {
  const folder = path.join(root, 'runs', 'x<b>&"');
  fs.mkdirSync(folder, {recursive: true});
  fs.writeFileSync(path.join(folder, 'metrics.jsonl'), JSON.stringify({stage: hostile, step: 1, total_step: 1, [hostile]: 3, reward: 1}) + '\nnonsense\n');
  const sample = {
    text: `<think>${hostile}</think>${hostile}`, extracted: hostile, why: hostile, rewards: {[hostile]: 1}, reward: 1, advantage: 1, tokens: 3,
    token_bytes: [7, 9], token_logprobs: [-0.1, -2],
  };
  fs.writeFileSync(path.join(folder, 'samples.jsonl'), JSON.stringify({stage: hostile, step: 1, problem: hostile, prompt: hostile, trained: true, samples: [sample]}) + '\n');
}

async function textStaysText(page) {
  plantHostileRun();
  const link = `${page.base}/#/growth/run/${encodeURIComponent('x<b>&"')}`;
  for (const tab of ['curves', 'samples', 'problem', 'recipe']) {
    await page.goto(`${link}?tab=${tab}`);
    await page.getByRole('heading', {name: 'x<b>&"'}).waitFor();
    if (tab === 'samples') assert.equal(await page.locator('.g-prompt-text').innerText(), hostile);
    if (tab === 'recipe') await page.getByText('metrics.jsonl:2').waitFor();
  }
  await page.goto(`${page.base}/#/growth`);
  await page.getByText('x<b>&"').waitFor();
  assert.equal(await page.locator('.growth img, .growth script, .growth b:has-text("&")').count(), 0);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
}

async function phone(browser, base) {
  const context = await browser.newContext({viewport: {width: 390, height: 844}, colorScheme: 'dark', hasTouch: true});
  const page = await context.newPage();
  for (const place of ['', '/run/grown', '/run/grown?tab=samples', '/run/grown?tab=problem', '/run/grown?tab=recipe', '/compare/grown/long', '/new']) {
    await page.goto('about:blank');
    await page.goto(`${base}/#/growth${place}`);
    await page.locator('.growth h1').waitFor();
    await page.waitForTimeout(300);
    await fits(page);
    await shot(page, `phone${place.replace(/\W+/g, '-')}`);
  }
  await context.close();
}

const {server, address} = await serve(firstModel());
const base = process.argv[3] ?? address;
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox']});
let failed = false;
try {
  const page = await (await browser.newContext({viewport: {width: 1440, height: 900}, colorScheme: 'light'})).newPage();
  page.base = base;
  page.address = address;
  page.setDefaultTimeout(30_000);
  const wrong = [];
  page.on('pageerror', error => wrong.push(error.message));
  page.on('console', message => message.type() === 'error' && !/status of 4/.test(message.text()) && wrong.push(message.text()));
  for (const test of [emptyThenStarted, curves, groups, problem, events, stopAndResume, textStaysText]) {
    await test(page);
    console.log(`ok ${test.name}`);
  }
  await phone(browser, base);
  console.log('ok phone');
  assert.deepEqual(wrong, []);
} catch (error) {
  failed = true;
  console.error(error);
} finally {
  await browser.close();
  server.removeAllListeners('exit');
  const over = new Promise(resolve => server.on('exit', resolve));
  server.kill('SIGINT');
  await over;
  fs.rmSync(root, {recursive: true, force: true});
}
process.exit(failed ? 1 : 0);
