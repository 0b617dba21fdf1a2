// What every browser test stands on: Debian's Chromium, a page that is watched, and a server to look at.
//   AHA_URL=http://127.0.0.1:8080 node tests/browser/run.mjs      the real server (AHA_KEY: its key)
//   node tests/browser/run.mjs                                    the mock, started here with what ui/dist holds
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {chromium} from 'playwright-core';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const kChromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(file => fs.existsSync(file));

export async function startMock(environment = {}) {
  const dist = process.env.AHA_UI_DIST ?? path.join(root, 'ui/dist');
  const mock = spawn(process.execPath, [path.join(root, 'ui/mock/server.mjs'), dist, '0'],
                     {env: {...process.env, ...environment}, stdio: ['ignore', 'pipe', 'inherit']});
  const [line] = await new Promise(resolve => mock.stdout.once('data', data => resolve(String(data).split('\n'))));
  return {url: line.trim(), stop: () => mock.kill()};
}

export async function launch() {
  assert.ok(kChromium, 'there is no Chromium; apt-get install chromium');
  return chromium.launch({executablePath: kChromium, args: ['--no-sandbox', '--disable-dev-shm-usage']});
}

// A fresh page that remembers everything it should not have done: requests to other origins, scripts of a payload,
// errors, violations of its policy, anything in localStorage that looks like a secret.
export async function openPage(browser, url, {width = 1280, height = 860, key = process.env.AHA_KEY, ...more} = {}) {
  const context = await browser.newContext({viewport: {width, height}, acceptDownloads: true, ...more});
  const wrong = [];
  const origin = new URL(url).origin;
  context.on('request', request => {
    const target = request.url();
    if (!target.startsWith('data:') && !target.startsWith('blob:') && new URL(target).origin !== origin) wrong.push(`asked for ${target}`);
  });
  await context.addInitScript(secret => {
    window.violations = [];
    window.pwned = () => window.violations.push('a payload ran');
    for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = () => void window.violations.push(`${name} was called`);
    document.addEventListener('securitypolicyviolation', event => window.violations.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
    if (secret) sessionStorage.setItem('aha-key', secret);
  }, key);
  const page = await context.newPage();
  watch(page, wrong);
  return {
    page, context, wrong, url,
    async second() {
      const other = await context.newPage();
      watch(other, wrong);
      return other;
    },
    async close() {
      for (const open of context.pages()) {
        if (!open.url().startsWith('http')) continue;
        wrong.push(...await open.evaluate(() => window.violations ?? []));
        assert.equal(new URL(open.url()).origin, origin, 'the page was led away');
        const stored = await open.evaluate(() => JSON.stringify(localStorage));
        assert.doesNotMatch(stored, /key"|token|Bearer/i, 'a secret in localStorage');
      }
      await context.close();
      assert.deepEqual(wrong, [], 'what the page must not do');
    },
  };
}

function watch(page, wrong) {
  page.setDefaultTimeout(30_000);
  page.on('pageerror', error => wrong.push(`error: ${error.message}`));
  page.on('dialog', dialog => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('popup', () => wrong.push('a window opened'));
}

export async function api(url, method, route, body) {
  const headers = {'content-type': 'application/json'};
  if (process.env.AHA_KEY) headers.authorization = `Bearer ${process.env.AHA_KEY}`;
  const response = await fetch(url + route, {method, headers, body: body === undefined ? undefined : JSON.stringify(body)});
  const text = await response.text();
  assert.ok(response.ok, `${method} ${route}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// Writes a message and sends it.
export async function ask(page, text) {
  await page.locator('#composer').fill(text);
  await page.keyboard.press('Enter');
}

// The last answer, when it is complete.
export async function answered(page, count = 1) {
  await page.waitForFunction(n => {
    const answers = document.querySelectorAll('.message.assistant');
    return answers.length >= n && [...answers].every(answer => answer.dataset.status !== 'streaming');
  }, count, {timeout: 120_000});
  return page.locator('.message.assistant').last();
}

// Presses what `selector` finds in the very frame that shows it: a small model thinks for a fraction of a second.
export async function pressWhenShown(page, selector, text) {
  return page.evaluate(([css, words]) => new Promise((resolve, reject) => {
    const find = () => [...document.querySelectorAll(css)].find(element => element.textContent.includes(words) && !element.disabled);
    const tryIt = () => {
      const element = find();
      if (!element) return false;
      observer.disconnect();
      element.click();
      resolve(true);
      return true;
    };
    const observer = new MutationObserver(tryIt);
    if (tryIt()) return;
    observer.observe(document.body, {childList: true, subtree: true});
    setTimeout(() => {
      observer.disconnect();
      reject(new Error(`${words} was never shown`));
    }, 60_000);
  }), [selector, text]);
}

export async function noSidewaysScroll(page, where) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${where} is ${over} pixels wider than the window`);
}
