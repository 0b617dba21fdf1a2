// A real small run, from its recipe to its last checkpoint, in the growth view. Takes about a minute.
import assert from 'node:assert/strict';
import {api, noSidewaysScroll, openPage} from './harness.mjs';

async function growthOfARun({browser, url}) {
  const {recipes} = await api(url, 'GET', '/api/recipes');
  if (!recipes.some(recipe => recipe.name === 'parity')) return 'this server has no recipe "parity"';
  const name = `browser-test-${Date.now()}`;
  const {page, close} = await openPage(browser, url);
  await page.goto(`${url}/#/growth/new?recipe=parity`);
  await page.getByLabel('Name of the run').fill(name);
  await page.getByRole('button', {name: 'Start training'}).click();
  await page.getByRole('heading', {name}).waitFor();
  await page.locator('.g-pill', {hasText: 'running'}).waitFor();
  // The curves grow while it trains.
  await page.locator('.uplot canvas').first().waitFor({timeout: 120_000});
  await page.locator('.g-pill', {hasText: 'finished'}).waitFor({timeout: 400_000});
  const {last, checkpoints} = await api(url, 'GET', `/api/runs/${name}`);
  assert.ok(last['eval/accuracy'] > 0.8, `it has learned: ${last['eval/accuracy']}`);
  assert.ok(checkpoints.includes('final'));
  await page.getByRole('tab', {name: 'Groups'}).click();
  await page.getByText('read:').first().waitFor();
  await page.getByRole('tab', {name: 'One problem'}).click();
  await page.getByText('A right answer').waitFor();
  await page.getByText('Chat with it').first().waitFor();
  await page.setViewportSize({width: 390, height: 800});
  for (const tab of ['curves', 'samples', 'problem', 'recipe']) {
    await page.goto(`${url}/#/growth/run/${name}?tab=${tab}`);
    await page.waitForTimeout(400);
    await noSidewaysScroll(page, `the run's ${tab}`);
  }
  await close();
}

export const growthTests = {growthOfARun};
