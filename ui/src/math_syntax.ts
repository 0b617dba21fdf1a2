// Formulas in Markdown: $…$, $$…$$, \(…\), \[…\], and a \boxed{…} that stands outside of them. And the stars of plain
// arithmetic, which Markdown would take for emphasis: 3*4, 2**5.
import type {TokenizerAndRendererExtension} from 'marked';
import {escapeHtml} from './escape';

// An inline formula is no longer than this: a text full of openings without ends must not be searched to its end for each.
const kLongest = 2000;

// The index after the brace that closes the one at `open`, or -1.
export function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length && i < kLongest; ++i) {
    const c = text[i];
    if (c === '\\') ++i;
    else if (c === '{') ++depth;
    else if (c === '}' && --depth === 0) return i + 1;
    else if (c === '\n' && text[i + 1] === '\n') return -1;
  }
  return -1;
}

// `display` where it is 'math', one formula in HTML: an empty element that formulas.ts fills in.
function html(tex: string, display: boolean): string {
  return `<span class="math${display ? ' math-display' : ''}">${escapeHtml(tex)}</span>`;
}

function between(open: string, close: string, text: string): string | null {
  if (!text.startsWith(open)) return null;
  const near = text.slice(0, kLongest);
  const end = near.indexOf(close, open.length);
  return end < 0 ? null : near.slice(0, end + close.length);
}

// Money is no formula: what follows the opening $ and stands before the closing one is no space, and no digit follows.
const kInlineDollar = /^\$(?!\s|\$)((?:\\[^\n]|[^\\$\n]){1,1000}?)(?<!\s)\$(?![\d$])/;

function inlineMath(src: string): {raw: string; tex: string; display: boolean} | null {
  const display = between('$$', '$$', src) ?? between('\\[', '\\]', src);
  if (display !== null) return {raw: display, tex: display.slice(2, -2), display: true};
  const parens = between('\\(', '\\)', src);
  if (parens !== null && !parens.includes('\n\n')) return {raw: parens, tex: parens.slice(2, -2), display: false};
  const dollar = kInlineDollar.exec(src);
  if (dollar) return {raw: dollar[0], tex: dollar[1]!, display: false};
  const boxed = /^\\boxed\s*\{/.exec(src);
  if (boxed) {
    const end = closingBrace(src, boxed[0].length - 1);
    if (end > 0) return {raw: src.slice(0, end), tex: src.slice(0, end), display: false};
  }
  return null;
}

// A formula that fills whole lines, blank lines too. One whose end is still to come is kept open as a whole, so that
// its beginning does not flash by as text of another kind.
function blockMath(src: string, complete: boolean): {raw: string; tex: string; open: boolean} | null {
  const start = /^ {0,3}(\$\$|\\\[)/.exec(src);
  if (!start) return null;
  const close = start[1] === '$$' ? '$$' : '\\]';
  const begin = start[0].length;
  const end = src.indexOf(close, begin);
  if (end < 0) return complete ? null : {raw: src, tex: src, open: true};
  const after = /^[ \t]*(?:\n+|$)/.exec(src.slice(end + 2));
  if (!after) return null;
  return {raw: src.slice(0, end + 2 + after[0].length), tex: src.slice(begin, end), open: false};
}

// A factor's last character and the stars after it. Words and brackets keep Markdown's meaning: *f*(x), **Step 1**: …
const kTimes = /[\d)]\*(?=[\d(])|\d\*(?=[A-Za-z])|[A-Za-z]\*(?=\d)|\d\*\*(?=\d)/g;
const kTimesHere = new RegExp(`^(?:${kTimes.source})`);

// Such stars begin no emphasis, and end none.
export const timesSigns = {
  hooks: {
    emStrongMask: (text: string) => text.replace(kTimes, found => 'x'.repeat(found.length)),
  },
  tokenizer: {
    emStrong(src: string, _masked: string, before = ''): any {
      const found = kTimesHere.exec(before + src.slice(0, 3));
      if (!before || !found) return false;
      const stars = found[0].slice(1);
      return {type: 'text', raw: stars, text: stars};
    },
  },
};

export function mathExtensions(complete: boolean): TokenizerAndRendererExtension[] {
  return [
    {
      name: 'blockMath',
      level: 'block',
      // Asked of what follows a character: its beginning is no beginning of a line.
      start: src => /\n {0,3}(?:\$\$|\\\[)/.exec(src)?.index,
      tokenizer(src) {
        const found = blockMath(src, complete);
        return found ? {type: 'blockMath', ...found} : undefined;
      },
      renderer: token => token['open'] ? `<p>${escapeHtml(token['tex'])}</p>` : `<p>${html(token['tex'], true)}</p>`,
    },
    {
      name: 'inlineMath',
      level: 'inline',
      start: src => /\$|\\\(|\\\[|\\boxed/.exec(src)?.index,
      tokenizer(src) {
        const found = inlineMath(src);
        return found ? {type: 'inlineMath', ...found} : undefined;
      },
      renderer: token => html(token['tex'], token['display']),
    },
  ];
}
