// Markdown from a model, into the page, safely: HTML in it is shown as text, an image becomes a link, a link is shown
// and never fetched, and what is left goes through DOMPurify with a short list of what may pass.
//   const view = new MarkdownView(element); view.update(text, false); … view.update(text, true);
import createDOMPurify from 'dompurify';
import {BlockCutter, makeParser, type Token, type Tokens} from './blocks';
import {escapeHtml} from './escape';

const kTags = [
  'p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol',
  'li', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'span', 'sup', 'sub',
];
const kAttributes = ['href', 'title', 'class', 'start', 'align', 'target', 'rel', 'data-language'];
const kClasses = /^(?:math(?: math-display)?|image-link|task(?: done)?)$/;

// Only what a person would knowingly follow; a link to this very page's own routes is not a model's to give.
function safeHref(href: string): string | null {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function link(href: string, title: string | null | undefined, inner: string, kind = ''): string {
  const safe = safeHref(href);
  if (safe === null) return inner;
  const shown = escapeHtml(title ? `${title} - ${safe}` : safe);
  return `<a href="${escapeHtml(safe)}" title="${shown}"${kind} target="_blank" rel="noopener noreferrer nofollow">${inner}</a>`;
}

const renderer = {
  html({text}: Tokens.HTML | Tokens.Tag): string {
    return escapeHtml(text);
  },
  image({href, text, title}: Tokens.Image): string {
    return link(href, title, escapeHtml(`[image: ${text || href}]`), ' class="image-link"');
  },
  link(this: any, {href, title, tokens}: Tokens.Link): string {
    return link(href, title, this.parser.parseInline(tokens));
  },
  code({text, lang}: Tokens.Code): string {
    const language = (lang ?? '').trim().split(/\s+/)[0]!.toLowerCase().replace(/[^a-z0-9+#._-]/g, '');
    return `<pre data-language="${language}"><code>${escapeHtml(text)}</code></pre>`;
  },
  checkbox({checked}: Tokens.Checkbox): string {
    return `<span class="task${checked ? ' done' : ''}">${checked ? '☑' : '☐'}</span> `;
  },
};

const parse = makeParser(renderer);

type Purify = ReturnType<typeof createDOMPurify>;
let purifier: Purify | null = null;

function purify(): Purify {
  if (purifier) return purifier;
  purifier = createDOMPurify(window as any);
  purifier.addHook('uponSanitizeAttribute', (_node, data) => {
    if (data.attrName === 'class' && !kClasses.test(data.attrValue)) data.keepAttr = false;
    if (data.attrName === 'href' && safeHref(data.attrValue) === null) data.keepAttr = false;
  });
  return purifier;
}

// Tokens to elements that are safe to show. What is nested too deeply for the parser stands as the text it is.
export function renderTokens(tokens: Token[]): DocumentFragment {
  try {
    return sanitized(tokens);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const fragment = document.createDocumentFragment();
    const paragraph = document.createElement('p');
    paragraph.textContent = tokens.map(token => token.raw).join('');
    fragment.append(paragraph);
    return fragment;
  }
}

function sanitized(tokens: Token[]): DocumentFragment {
  return purify().sanitize(parse(tokens), {
    ALLOWED_TAGS: kTags,
    ALLOWED_ATTR: kAttributes,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ADD_URI_SAFE_ATTR: ['data-language'],
    RETURN_DOM_FRAGMENT: true,
  });
}

// What makes formulas and code of a finished block; loaded when first needed.
export type Decorate = (block: HTMLElement) => void;

export class MarkdownView {
  private cutter = new BlockCutter();
  private openBlock: HTMLElement | null = null;
  private last = '';
  private complete = false;

  constructor(private readonly root: HTMLElement, private readonly decorate: Decorate = () => {}) {}

  update(text: string, complete: boolean): void {
    if (text === this.last && complete === this.complete && this.root.firstChild) return;
    if (this.complete || !this.cutter.continues(text)) this.clear();
    const {settled, open} = this.cutter.update(text, complete);
    for (const tokens of settled) {
      // The open block turns into the first settled one: its element stays, so nothing jumps.
      const block = this.openBlock ?? this.append();
      this.openBlock = null;
      block.replaceChildren(renderTokens(tokens));
      this.decorate(block);
    }
    if (open.some(token => token.type !== 'space')) {
      this.openBlock ??= this.append();
      this.openBlock.replaceChildren(renderTokens(open));
      this.decorate(this.openBlock);
    } else if (this.openBlock) {
      this.openBlock.remove();
      this.openBlock = null;
    }
    this.last = text;
    this.complete = complete;
  }

  private append(): HTMLElement {
    const block = document.createElement('div');
    block.className = 'md-block';
    return this.root.appendChild(block);
  }

  private clear(): void {
    this.root.replaceChildren();
    this.cutter = new BlockCutter();
    this.openBlock = null;
  }
}
