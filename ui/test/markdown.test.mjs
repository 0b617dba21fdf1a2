// What a model writes becomes a page that can neither run nor fetch anything, and is the same however it arrives.
import assert from 'node:assert/strict';
import test from 'node:test';
import {JSDOM} from 'jsdom';
import {load} from './load.mjs';
import {payloads} from '../../tests/browser/payloads.mjs';

const {window} = new JSDOM('<!doctype html><body></body>', {url: 'http://127.0.0.1:1/'});
Object.assign(globalThis, {window, document: window.document});
const {MarkdownView} = await load('markdown.ts');

function render(text) {
  const root = document.createElement('div');
  new MarkdownView(root).update(text, true);
  return root;
}

function streamed(text, step) {
  const root = document.createElement('div');
  const view = new MarkdownView(root);
  for (let end = step; end < text.length; end += step) view.update(text.slice(0, end), false);
  view.update(text, true);
  return root;
}

const kAllowed = new Set([
  'href', 'title', 'class', 'start', 'align', 'target', 'rel', 'data-language',
]);

function assertHarmless(root, text) {
  for (const element of root.querySelectorAll('*')) {
    const name = element.tagName.toLowerCase();
    assert.ok(!/^(script|img|svg|math|iframe|object|embed|form|input|button|style|link|meta|base|video|audio|source|template)$/.test(name),
              `<${name}> from ${text}`);
    for (const attribute of element.attributes) {
      assert.ok(kAllowed.has(attribute.name), `${attribute.name} from ${text}`);
    }
    if (name === 'a') {
      assert.match(element.getAttribute('href') ?? 'http://', /^(https?|mailto):/, text);
      assert.match(element.getAttribute('rel') ?? '', /noopener/, text);
    }
  }
}

test('no payload leaves anything that runs, fetches or has a style', () => {
  assert.ok(payloads.length >= 200, `${payloads.length} payloads`);
  for (const text of payloads) assertHarmless(render(text), text);
});

test('HTML is shown as the text it is', () => {
  const root = render('a <b onclick="x()">bold</b> & <script>alert(1)</script>');
  assert.match(root.textContent, /<b onclick="x\(\)">bold<\/b> & <script>alert\(1\)<\/script>/);
});

test('an image is a link and is not fetched', () => {
  const root = render('![a cat](http://127.0.0.1:9/x?d=SECRET)');
  assert.equal(root.querySelector('img'), null);
  assert.equal(root.querySelector('a').textContent, '[image: a cat]');
});

test('a link says where it goes, and one to nowhere good is its text', () => {
  const link = render('[here](https://example.org/a "T")').querySelector('a');
  assert.equal(link.title, 'T - https://example.org/a');
  assert.equal(link.target, '_blank');
  assert.equal(render('[x](javascript:alert(1))').querySelector('a'), null);
  assert.equal(render('[x](#/c/1)').querySelector('a'), null);
});

test('formulas in all their spellings', () => {
  const tex = text => [...render(text).querySelectorAll('.math')].map(
      element => [element.textContent, element.classList.contains('math-display')]);
  assert.deepEqual(tex('so $x^2$ and \\(y_1\\)'), [['x^2', false], ['y_1', false]]);
  assert.deepEqual(tex('$$\na\n\nb\n$$'), [['\na\n\nb\n', true]]);
  assert.deepEqual(tex('\\[ a_b*c*d \\]'), [[' a_b*c*d ', true]]);
  assert.deepEqual(tex('it is \\boxed{\\frac{1}{2}}.'), [['\\boxed{\\frac{1}{2}}', false]]);
  assert.deepEqual(tex('$\\boxed{3}$'), [['\\boxed{3}', false]]);
  assert.deepEqual(tex('it costs $5 or $10, not $ 3 $'), []);
  assert.deepEqual(tex('`$x$`'), []);
  assert.equal(render('a $$x$$').querySelectorAll('p').length, 1);
  assert.deepEqual(tex('a $$x$$'), [['x', true]]);
  assert.equal(render('so\n$$\nx\n$$\nand').querySelectorAll('p').length, 3);
});

test('a star between factors is a star', () => {
  for (const text of ['1*7=7 no,\nTry 9*8=72', '(1+2)*(3+4)*5', '2*x + x*3', '2**3 = 8, 4**2 = 16', '1*2*3*4']) {
    const root = render(text);
    assert.equal(root.querySelector('em, strong'), null, text);
    assert.equal(root.textContent.trim(), text);
  }
  const marked = text => [...render(text).querySelectorAll('em, strong')].map(element => element.outerHTML);
  assert.deepEqual(marked('2*3 and *word*'), ['<em>word</em>']);
  assert.deepEqual(marked('*see 2*3 there*'), ['<em>see 2*3 there</em>']);
  assert.deepEqual(marked('**Step 1**: 3*4 = **12**'), ['<strong>Step 1</strong>', '<strong>12</strong>']);
  assert.deepEqual(marked('*f*(x), un*believ*able, **a***b*'),
                   ['<em>f</em>', '<em>believ</em>', '<strong>a</strong>', '<em>b</em>']);
});

test('text that arrives in pieces is the same page as the whole', () => {
  const text = '# T\n\nOne *two*\nthree\n\n- a\n- b\n\n  c\n\n1. x\n2. y\n\n```js\nlet a = 1;\n\nlet b;\n```\n\n' +
      '| a | b |\n|---|--:|\n| 1 | $x$ |\n\n$$\nx\n\ny\n$$\n\n> q\n\nend \\boxed{1}';
  const whole = render(text).textContent;
  for (const step of [1, 2, 3, 7, 50]) {
    const root = streamed(text, step);
    assert.equal(root.textContent, whole, `in steps of ${step}`);
    assert.equal(root.innerHTML, streamed(text, 1).innerHTML);
  }
});

test('a finished block is not rendered again while the next is written', () => {
  const root = document.createElement('div');
  const view = new MarkdownView(root);
  view.update('first\n\nsecond', false);
  const first = root.children[0];
  const paragraph = first.firstChild;
  view.update('first\n\nsecond and more\n\nthird', false);
  assert.equal(root.children[0], first);
  assert.equal(first.firstChild, paragraph);
});

test('openings without ends do not hold the page up', () => {
  for (const piece of ['\\(', '$', '$$', '\\[ ', '\\boxed{', '$a ', '[', '![', '*a ', '**', '_a ', '`', '~~', '<a ', '<!--', '> ', '- ', '|a', '\n|a|\n|-|', '&', '\\', '(', '[a](', '```\n', '1. ']) {
    const text = piece.repeat(Math.floor(20_000 / piece.length));
    // Processor time: what else the machine does is not counted.
    const began = process.cpuUsage();
    render(text);
    const {user, system} = process.cpuUsage(began);
    const ms = (user + system) / 1000;
    assert.ok(ms < 3000, `${JSON.stringify(piece)} took ${Math.round(ms)} ms`);
  }
});
