// Conversations, as a person has them.
import assert from 'node:assert/strict';
import {answered, api, ask, noSidewaysScroll, openPage, pressWhenShown} from './harness.mjs';

const kQuestion = 'Use 9, 7 and 8 to make 10';

async function start(browser, url, options) {
  const opened = await openPage(browser, url, options);
  await opened.page.goto(url);
  await opened.page.locator('#composer').waitFor();
  return opened;
}

async function conversationWithThought({browser, url}) {
  const {page, close} = await start(browser, url);
  await ask(page, kQuestion);
  const answer = await answered(page);
  await answer.locator('.thought-toggle').waitFor();
  assert.match(await answer.locator('.thought-toggle').innerText(), /Thought for [\d.]+ s[\s\S]*tokens/);
  await answer.locator('.thought-toggle').click();
  assert.ok((await answer.locator('.thought-body').innerText()).length > 0, 'the thought has words');
  assert.ok((await answer.locator(':scope > .markdown').innerText()).trim().length > 0, 'the answer has words');
  assert.match(await answer.locator('.message-tools .message-facts').innerText(), /tokens · [\d.]+ tokens\/s/);
  await page.locator('.conversation.here', {hasText: 'Use 9, 7 and 8'}).waitFor();
  assert.match(await page.locator('.gauge').getAttribute('aria-valuetext'), /of .* tokens of context used/);
  await ask(page, 'And in another way?');
  await answered(page, 2);
  await close();
}

// Alone, the shipped model has thought before a hand reaches the button: other work makes it slow.
async function keepBusy(url) {
  const {data: [model]} = await api(url, 'GET', '/v1/models');
  const stop = new AbortController();
  const long = {model: model.id, prompt: 'Q: Use 3, 5, 11 and 2 to make 97\n', n: 16, max_tokens: 900, temperature: 1,
                stream: true};
  const headers = {'content-type': 'application/json'};
  if (process.env.AHA_KEY) headers.authorization = `Bearer ${process.env.AHA_KEY}`;
  const answers = await Promise.all(Array.from({length: 4}, () =>
    fetch(`${url}/v1/completions`, {method: 'POST', headers, body: JSON.stringify(long), signal: stop.signal})));
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    answer.text().catch(() => {});  // read to its end, or to the abort
  }
  return () => stop.abort();
}

async function stopThinkingNow({browser, url, mock}) {
  const {page, close} = await start(browser, url);
  const rest = mock ? () => {} : await keepBusy(url);
  const told = page.waitForResponse(response => response.url().endsWith('/end-thought'));
  const pressed = pressWhenShown(page, '.live-tools button', 'Stop thinking');
  await ask(page, mock ? `${kQuestion} /endless` : 'Use 3, 5, 11 and 2 to make 97');
  await pressed;
  assert.ok((await told).ok(), 'the thought was still going on');
  rest();
  const answer = await answered(page);
  assert.equal(await answer.getAttribute('data-status'), 'done');
  await answer.locator(':scope > .markdown').waitFor();
  assert.ok((await answer.locator(':scope > .markdown').innerText()).trim().length > 0, 'an answer follows');
  await close();
}

async function editThoughtAndContinue({browser, url}) {
  const {page, close} = await start(browser, url);
  await ask(page, kQuestion);
  await answered(page);
  await page.getByLabel('Edit the thought and continue').click();
  const field = page.getByLabel('The thought', {exact: true});
  await field.fill('9 - 7 = 2, and then');
  await page.getByRole('button', {name: 'Think on from here'}).click();
  await page.locator('.branch-count', {hasText: '2/2'}).waitFor();
  const answer = await answered(page);
  await answer.locator('.thought-toggle').click();
  assert.match(await answer.locator('.thought-body').innerText(), /^\s*9 (-|−) 7 = 2, and then/);
  await page.getByLabel('Earlier version').click();
  await page.locator('.branch-count', {hasText: '1/2'}).waitFor();
  // The other branch is what the conversation opens with, now that it was chosen.
  await page.reload();
  await page.locator('.branch-count', {hasText: '1/2'}).waitFor();
  await page.getByLabel('More actions').click();
  await page.getByRole('button', {name: 'Answer again from the same thought'}).click();
  await page.locator('.branch-count', {hasText: '3/3'}).waitFor();
  await answered(page);
  await close();
}

async function editTheQuestion({browser, url}) {
  const {page, close} = await start(browser, url);
  await ask(page, kQuestion);
  await answered(page);
  await page.locator('#composer').focus();
  await page.keyboard.press('ArrowUp');
  await page.getByLabel('Your message', {exact: true}).and(page.locator('textarea')).fill('Use 2 and 3 to make 6');
  await page.getByRole('button', {name: 'Ask again'}).click();
  await page.locator('.message.user .branch-count', {hasText: '2/2'}).waitFor();
  await answered(page);
  assert.equal(await page.locator('.user-text').innerText(), 'Use 2 and 3 to make 6');
  await page.getByLabel('Answer again').click();
  await page.locator('.message.assistant .branch-count', {hasText: '2/2'}).waitFor();
  await answered(page);
  await close();
}

async function reloadInMidStream(context) {
  const {browser, url, mock} = context;
  const opened = await start(browser, url);
  const {page, close} = opened;
  const seen = mock ? page.waitForSelector('.message[data-status="streaming"] .thought') : page.waitForURL(/#\/c\//);
  await ask(page, mock ? `${kQuestion} /slow` : kQuestion);
  await seen;
  const address = page.url();
  assert.match(address, /#\/c\//);
  await page.reload();
  const other = await opened.second();
  await other.goto(address);
  if (mock) {
    // Both pick the stream up while it is being written.
    await page.waitForSelector('.message[data-status="streaming"] .thought');
    await other.waitForSelector('.message[data-status="streaming"] .thought');
  }
  const here = await answered(page);
  const there = await answered(other);
  // A tab behind another one draws when it is looked at.
  const read = async (tab, answer) => {
    await tab.bringToFront();
    const body = await answer.locator(':scope > .markdown').elementHandle();
    return (await tab.waitForFunction(e => e.innerText.trim(), body)).jsonValue();
  };
  const text = await read(other, there);
  assert.equal(await read(page, here), text);
  const {messages} = await api(url, 'GET', `/api/conversations/${address.split('/').at(-1)}`);
  assert.equal(messages.length, 2);
  assert.equal(messages[1].status, 'done');
  await here.locator('.thought-toggle').click();
  const words = text => text.replace(/[^\p{L}\p{N}]/gu, '');
  assert.ok(words(await here.locator('.thought-body').innerText()).startsWith(words(messages[1].reasoning_content).slice(0, 40)));
  await close();
}

async function stopKeepsWhatThereIs({browser, url, mock}) {
  if (!mock) return 'only with the mock: a small model has answered before Esc is pressed';
  const {page, close} = await start(browser, url);
  await ask(page, '/plain /long 4000');
  await page.waitForSelector('.message[data-status="streaming"] .markdown');
  await page.keyboard.press('Escape');
  const answer = await answered(page);
  await answer.getByText('You stopped this answer.').waitFor();
  await answer.getByLabel('More actions').click();
  await page.getByRole('button', {name: 'Continue this answer'}).click();
  await page.locator('.branch-count', {hasText: '2/2'}).waitFor();
  await page.keyboard.press('Escape');
  await answered(page);
  await close();
}

async function vote({browser, url}) {
  const {page, close} = await start(browser, url);
  await page.locator('.composer .chip', {hasText: 'Vote'}).click();
  await page.locator('.popover .chip', {hasText: /^5$/}).click();
  await page.keyboard.press('Escape');
  await ask(page, kQuestion);
  const answer = await answered(page);
  await answer.locator('.vote-row').first().waitFor();
  const counts = await answer.locator('.vote-count').allInnerTexts();
  assert.equal(counts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0), 5, counts.join('; '));
  await answer.locator('.vote-row').first().click();
  await answer.locator('.vote-sample').waitFor();
  assert.ok((await answer.locator('.vote-sample').innerText()).length > 0);
  // It is the same after the page was closed.
  await page.reload();
  await page.locator('.vote-row').first().waitFor();
  await close();
}

async function incognitoIsNotWritten({browser, url}) {
  const {page, close} = await start(browser, url);
  const before = (await api(url, 'GET', '/api/conversations?limit=200')).conversations.length;
  await page.goto(`${url}/#/incognito`);
  await ask(page, 'Use 1 and 2 to make 3, secretly');
  await answered(page);
  await ask(page, 'Again');
  await answered(page, 2);
  assert.equal((await api(url, 'GET', '/api/conversations?limit=200')).conversations.length, before);
  assert.equal((await api(url, 'GET', '/api/conversations?q=secretly')).conversations.length, 0);
  await close();
}

async function searchRenameDelete({browser, url}) {
  const {page, close} = await start(browser, url);
  await ask(page, 'Use 4 and 5 to make 20, zebracrossing');
  await answered(page);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('zebracrossing');
  await page.locator('.conversation .snippet', {hasText: 'zebracrossing'}).first().waitFor();
  await page.keyboard.press('ArrowDown');
  assert.ok(await page.evaluate(() => document.activeElement.matches('.conversation > a')), 'the arrow leads into the list');
  await page.locator('#search').fill('');
  await page.locator('.conversation.here').hover();
  await page.locator('.conversation.here .popover-anchor > button').click();
  await page.getByRole('button', {name: 'Rename'}).click();
  await page.getByLabel('Title').fill('A calmer name');
  await page.keyboard.press('Enter');
  await page.locator('.conversation.here', {hasText: 'A calmer name'}).waitFor();
  await page.locator('.conversation.here').hover();
  await page.locator('.conversation.here .popover-anchor > button').click();
  const download = page.waitForEvent('download');
  await page.getByRole('button', {name: 'Export', exact: true}).click();
  const file = await (await download).path();
  await page.locator('.conversation.here').hover();
  await page.locator('.conversation.here .popover-anchor > button').click();
  await page.getByRole('button', {name: 'Delete', exact: true}).click();
  await page.locator('dialog').getByRole('button', {name: 'Delete', exact: true}).click();
  await page.locator('.conversation', {hasText: 'A calmer name'}).waitFor({state: 'detached'});
  await page.locator('input[type=file]').setInputFiles({name: 'x.json', mimeType: 'application/json', buffer: (await import('node:fs')).readFileSync(file)});
  await page.locator('.conversation', {hasText: 'A calmer name'}).click();
  await page.locator('.user-text', {hasText: 'zebracrossing'}).waitFor();
  await close();
}

async function sideBySide({browser, url}) {
  const {page, close} = await start(browser, url);
  await page.goto(`${url}/#/compare`);
  await page.locator('.columns').waitFor();
  await ask(page, kQuestion);
  await answered(page, 2);
  assert.equal(await page.locator('.column .message.assistant').count(), 2);
  await close();
}

async function everyWidth({browser, url}) {
  for (const width of [320, 390, 768, 1440]) {
    const {page, close} = await start(browser, url, {width, height: 800, hasTouch: width < 800});
    await noSidewaysScroll(page, `the new chat at ${width}`);
    await ask(page, `${kQuestion} ${'unbreakable'.repeat(30)}`);
    await answered(page);
    await noSidewaysScroll(page, `a chat at ${width}`);
    const thread = await page.locator('.thread').evaluate(element => element.scrollWidth - element.clientWidth);
    assert.ok(thread <= 0, `the thread at ${width} is ${thread} too wide`);
    for (const route of ['#/compare', '#/growth', '#/incognito']) {
      await page.goto(`${url}/${route}`);
      await page.waitForTimeout(200);
      await noSidewaysScroll(page, `${route} at ${width}`);
    }
    if (width < 800) {
      await page.goto(`${url}/#/`);
      await page.getByLabel('Show the list').click();
      await page.locator('.sidebar.open').waitFor();
      await noSidewaysScroll(page, `the list at ${width}`);
      await page.keyboard.press('Escape');
    }
    await close();
  }
}

async function lettingGoOfTheEnd({browser, url, mock}) {
  if (!mock) return 'only with the mock: it writes slowly enough to scroll meanwhile';
  const {page, close} = await start(browser, url, {height: 500});
  await ask(page, '/plain /long 1500');
  await page.waitForFunction(() => (document.querySelector('.thread')?.scrollHeight ?? 0) > 1200);
  const atEnd = () => page.locator('.thread').evaluate(element => element.scrollHeight - element.scrollTop - element.clientHeight);
  assert.ok(await atEnd() < 60, 'the end is followed');
  await page.locator('.thread').hover();
  await page.mouse.wheel(0, -400);
  await page.getByLabel('To the newest text').waitFor();
  const place = await page.locator('.thread').evaluate(element => element.scrollTop);
  await page.waitForTimeout(500);
  assert.equal(await page.locator('.thread').evaluate(element => element.scrollTop), place, 'nothing moves under the reader');
  await page.getByLabel('To the newest text').click();
  await page.waitForFunction(() => {
    const {scrollHeight, scrollTop, clientHeight} = document.querySelector('.thread');
    return scrollHeight - scrollTop - clientHeight < 60;
  });
  await page.keyboard.press('Escape');
  await answered(page);
  await close();
}

export const chatTests = {
  conversationWithThought, stopThinkingNow, editThoughtAndContinue, editTheQuestion, reloadInMidStream, stopKeepsWhatThereIs,
  vote, incognitoIsNotWritten, searchRenameDelete, sideBySide, everyWidth, lettingGoOfTheEnd,
};
