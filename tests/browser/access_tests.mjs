// What axe-core finds wrong for people who see, hear or move otherwise: WCAG 2.1 A and AA, light and dark.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import {answered, ask, openPage} from './harness.mjs';

const kAxe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function check(page, where, all) {
  await page.waitForTimeout(250);
  await page.evaluate(kAxe);
  const {violations} = await page.evaluate(() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}));
  const found = violations.flatMap(({id, nodes}) => nodes.slice(0, 4).map(node => `${where}: ${id}: ${node.target.join(' ')} ${node.failureSummary.split('\n')[1] ?? ''}`));
  all.push(...found);
}

async function accessible({browser, url}) {
  const all = [];
  for (const colorScheme of ['light', 'dark']) {
    const {page, close} = await openPage(browser, url, {colorScheme, reducedMotion: 'reduce'});
    await page.goto(url);
    await page.locator('#composer').waitFor();
    await check(page, `new chat, ${colorScheme}`, all);
    await ask(page, 'Use 9, 7 and 8 to make 10');
    await answered(page);
    await page.locator('.thought-toggle').click();
    await check(page, `chat, ${colorScheme}`, all);
    await page.getByLabel('Edit the thought and continue').click();
    await check(page, `editing a thought, ${colorScheme}`, all);
    await page.locator('.picker').click();
    await check(page, `models, ${colorScheme}`, all);
    await page.keyboard.press('Escape');
    await page.getByLabel('Settings of this chat').click();
    await check(page, `settings, ${colorScheme}`, all);
    await page.keyboard.press('Escape');
    for (const route of ['#/compare', '#/growth', '#/growth/new', '#/incognito']) {
      await page.goto(`${url}/${route}`);
      await page.waitForTimeout(300);
      await check(page, `${route}, ${colorScheme}`, all);
    }
    await close();
  }
  assert.deepEqual(all, []);
}

export const accessTests = {accessible};
