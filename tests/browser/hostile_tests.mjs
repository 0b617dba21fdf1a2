// What a model, a file or a name may hold, and a conversation of 100,000 tokens.
import assert from 'node:assert/strict';
import {answered, api, ask, openPage} from './harness.mjs';
import {payloads} from './payloads.mjs';

let nextId = 0;
const id = kind => `${kind}_hostile${nextId++}`;

function message(parent, role, content, more = {}) {
  return {
    id: id('m'), parent, role, content, reasoning_content: null, model: null, created: 1_700_000_000 + nextId, status: 'done',
    finish_reason: role === 'assistant' ? 'stop' : null, notice: null, usage: null, timings: null, turn: null, vote: null, ...more,
  };
}

function conversation(title, pairs) {
  const messages = [];
  for (const [question, answer, thought, more] of pairs) {
    messages.push(message(messages.at(-1)?.id ?? null, 'user', question));
    messages.push(message(messages.at(-1).id, 'assistant', answer, {reasoning_content: thought, ...more}));
  }
  return {id: id('c'), title, model: null, settings: {}, created: 1_700_000_000, updated: 1_700_000_000 + nextId, leaf: messages.at(-1).id, messages};
}

const importAll = (url, conversations) => api(url, 'POST', '/api/import', {format: 'aha-conversations', version: 1, conversations});

async function scrollThrough(page) {
  for (let last = -1, rounds = 0; rounds < 60; ++rounds) {
    const at = await page.locator('.thread').evaluate(element => element.scrollTop = Math.max(0, element.scrollTop - element.clientHeight * 3));
    await page.waitForTimeout(30);
    if (at === 0 && last === 0) break;
    last = at;
  }
}

// Case 22 and 23: nothing runs, nothing is asked of another origin, wherever the text stands.
async function payloadsInAConversation({browser, url}) {
  assert.ok(payloads.length >= 200);
  const opened = await openPage(browser, url);
  const {page, close} = opened;
  const size = 25;
  const titles = payloads.map((text, i) => conversation(text, [[`title ${i}`, 'x', null]]));
  const threads = [];
  for (let i = 0; i < payloads.length; i += size) {
    threads.push(conversation(`hostile thread ${i}`, payloads.slice(i, i + size).map(text => [text, text, text, {model: text, notice: text}])));
  }
  await importAll(url, titles);
  await importAll(url, threads);
  await page.goto(url);
  await page.locator('#search').fill('hostile thread');
  await page.locator('.conversation', {hasText: 'hostile thread 0'}).waitFor();
  const names = await page.locator('.conversation > a').evaluateAll(links => links.map(link => link.hash).slice(0, 40));
  for (const hash of names) {
    await page.goto(`${url}/${hash}`);
    await page.locator('.message').first().waitFor();
    await scrollThrough(page);
    // Every thought too, and whatever lies under the mouse or takes the focus.
    await page.evaluate(() => document.querySelectorAll('.thought-toggle').forEach(button => button.click()));
    await page.waitForTimeout(100);
    await page.evaluate(() => {
      for (const element of document.querySelectorAll('.markdown *, .user-text')) {
        element.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
        element.focus?.();
      }
    });
    const found = await page.evaluate(() => document.querySelectorAll(
        '.markdown :is(img, svg:not(.katex svg), script, iframe, object, embed, form, video, audio, style, link, meta, base)').length);
    assert.equal(found, 0, 'elements that fetch or run');
    const links = await page.evaluate(() => [...document.querySelectorAll('.markdown a')].filter(
        link => !/^(https?|mailto):/.test(link.href) || !link.rel.includes('noopener')).map(link => link.outerHTML));
    assert.deepEqual(links, []);
  }
  // As titles, in the list: all of them.
  await page.locator('#search').fill('');
  for (let i = 0; i < 8 && await page.getByRole('button', {name: 'Older conversations'}).isVisible(); ++i) {
    await page.getByRole('button', {name: 'Older conversations'}).click();
    await page.waitForTimeout(150);
  }
  await page.goto(`${url}/#/c/${encodeURIComponent('"><img src=x onerror=window.pwned()>')}`);
  await page.getByText('not on this machine any more').waitFor();
  await page.goto(`${url}/#/growth/run/${encodeURIComponent('<img src=x onerror=window.pwned()>')}`);
  await page.waitForTimeout(300);
  await close();
}

async function payloadsInTheStream({browser, url, mock}) {
  if (!mock) return 'only with the mock: a real model does not write what it is told';
  const opened = await openPage(browser, url);
  const {page, close} = opened;
  await page.goto(`${url}/#/incognito`);
  for (let i = 0; i < payloads.length; i += 30) {
    const text = payloads.slice(i, i + 30).join('\n\n');
    await ask(page, `/say ${text}\n/think ${text}`);
    await answered(page, i / 30 + 1);
  }
  await close();
}

async function payloadsAsModelNames({browser, startMock, mock}) {
  if (!mock) return 'only with the mock: a folder cannot have such a name';
  const other = await startMock({AHA_MOCK_MODELS: JSON.stringify(payloads)});
  const {page, close} = await openPage(browser, other.url);
  await page.goto(other.url);
  await page.locator('.picker').click();
  await page.locator('.model-row').nth(payloads.length - 1).waitFor();
  await page.locator('.model-row').nth(10).click();
  await page.goto(`${other.url}/#/compare`);
  await page.locator('.columns').waitFor();
  await close();
  other.stop();
}

// About 100,000 tokens: it opens at once, scrolls without a stall, and finds what was said first.
async function longConversation({browser, url}) {
  const paragraph = i => `Paragraph ${i}: the sum of $${i}$ and **${i + 1}** is ${2 * i + 1}, as one sees from \`f(${i})\`.\n\n` +
      Array.from({length: 9}, (_, k) => `- point ${k} of ${i}, with some words that fill the line`).join('\n');
  const pairs = Array.from({length: 120}, (_, i) => [
    `Question ${i}`, Array.from({length: 6}, (_, k) => paragraph(i * 6 + k)).join('\n\n'), `Thought ${i} `.repeat(60),
  ]);
  const long = conversation('a hundred thousand tokens', pairs);
  assert.ok(JSON.stringify(long).length > 400_000);
  await importAll(url, [long]);
  const {page, close} = await openPage(browser, url);
  await page.goto(url);
  await page.locator('#search').fill('a hundred thousand');
  const row = page.locator('.conversation', {hasText: 'a hundred thousand tokens'}).first();
  await row.waitFor();
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver(list => {
      for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({type: 'longtask'});
  });
  const began = Date.now();
  await row.locator('a').click();
  await page.locator('.user-text', {hasText: 'Question 119'}).waitFor();
  const opened = Date.now() - began;
  for (let i = 0; i < 200 && !await page.getByText('Question 0', {exact: true}).isVisible(); ++i) {
    await page.locator('.thread').evaluate(element => element.scrollTop -= 2500);
    await page.waitForTimeout(16);
  }
  await page.getByText('Question 0', {exact: true}).waitFor();
  const longest = await page.evaluate(() => window.longest);
  console.log(`    opened in ${opened} ms, longest stall ${Math.round(longest)} ms`);
  assert.ok(opened < 3000, `${opened} ms to open`);
  assert.ok(longest < 1000, `a stall of ${longest} ms`);
  await close();
}

export const hostileTests = {payloadsInAConversation, payloadsInTheStream, payloadsAsModelNames, longConversation};
