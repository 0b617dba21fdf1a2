// Runs the browser tests against AHA_URL, or against the mock: node tests/browser/run.mjs [NAME…]
import {accessTests} from './access_tests.mjs';
import {chatTests} from './chat_tests.mjs';
import {gateTests} from './gate_tests.mjs';
import {growthTests} from './growth_tests.mjs';
import {api, launch, startMock} from './harness.mjs';
import {hostileTests} from './hostile_tests.mjs';

const tests = {...chatTests, ...gateTests, ...hostileTests, ...accessTests, ...growthTests};
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!tests[name]) throw new Error(`there is no test ${name}; there are ${Object.keys(tests).join(', ')}`);
}
const own = process.env.AHA_URL ? null : await startMock();
const url = (process.env.AHA_URL ?? own.url).replace(/\/$/, '');
const mock = String((await api(url, 'GET', '/api/status')).version).endsWith('-mock');
const browser = await launch();
let failed = 0;
for (const [name, run] of Object.entries(tests)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = Date.now();
  try {
    const skipped = await run({browser, url, mock, startMock});
    console.log(skipped ? `skip  ${name}: ${skipped}` : `ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  } catch (error) {
    ++failed;
    console.log(`FAIL  ${name}\n${error.stack ?? error}`);
    for (const context of browser.contexts()) await context.close();
  }
}
await browser.close();
own?.stop();
console.log(failed ? `${failed} failed` : 'all passed');
process.exit(failed ? 1 : 0);
