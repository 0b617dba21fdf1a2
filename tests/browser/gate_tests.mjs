// A server with a key, a store with a passphrase, a server that goes away.
import assert from 'node:assert/strict';
import {answered, ask, openPage} from './harness.mjs';

async function keyIsAskedFor({browser, startMock, mock}) {
  if (!mock) return 'only with the mock: the server\'s own tests ask every route';
  const other = await startMock({AHA_MOCK_KEY: 'sesame-key'});
  const {page, close} = await openPage(browser, other.url, {key: ''});
  await page.goto(other.url);
  await page.getByText('This server asks for its key').waitFor();
  await page.getByLabel('Key').fill('wrong');
  await page.getByRole('button', {name: 'Open'}).click();
  await page.getByText('That is not this server\'s key.').waitFor();
  await page.getByLabel('Key').fill('sesame-key');
  await page.getByRole('button', {name: 'Open'}).click();
  await page.locator('#composer').waitFor();
  await ask(page, 'Use 1 and 2 to make 3');
  await answered(page);
  await page.reload();
  await page.locator('.message.assistant').waitFor();
  assert.equal(await page.evaluate(() => Object.values(localStorage).join().includes('sesame')), false);
  await close();
  other.stop();
}

async function passphraseIsAskedFor({browser, startMock, mock}) {
  if (!mock) return 'only with the mock: the server\'s own tests unlock a store';
  const other = await startMock({AHA_MOCK_LOCKED: '1'});
  const {page, close} = await openPage(browser, other.url);
  await page.goto(other.url);
  await page.getByText('Your conversations are encrypted').waitFor();
  await page.getByLabel('Passphrase').fill('open barley');
  await page.getByRole('button', {name: 'Unlock'}).click();
  await page.getByText('That is not the passphrase.').waitFor();
  await page.getByLabel('Passphrase').fill('open sesame');
  await page.getByRole('button', {name: 'Unlock'}).click();
  await page.locator('#composer').waitFor();
  await close();
  other.stop();
}

async function failuresAreCalmSentences({browser, startMock, mock}) {
  if (!mock) return 'only with the mock: it fails when it is told to';
  const other = await startMock();
  const {page, close} = await openPage(browser, other.url);
  await page.goto(other.url);
  await ask(page, '/fail');
  await page.getByText('The model ran out of memory.').waitFor();
  await page.getByRole('button', {name: 'Try again'}).waitFor();
  other.stop();
  await page.waitForTimeout(100);
  await ask(page, 'Is somebody there?');
  await page.getByText('The server does not answer.').waitFor();
  assert.equal(await page.locator('#composer').inputValue(), 'Is somebody there?', 'what was written is not lost');
  await close();
}

export const gateTests = {keyIsAskedFor, passphraseIsAskedFor, failuresAreCalmSentences};
