// Cuts Markdown that is still being written into blocks, so that only the last one is rendered again.
//   const cutter = new BlockCutter(); cutter.update(text, false) -> {settled: [new finished blocks], open: [tokens]}
// A block is settled once another block has begun after it; what settled never changes while text is only appended.
import {Marked, type Token, type Tokens} from 'marked';
import {mathExtensions, timesSigns} from './math_syntax';

const settling = new Marked({gfm: true, breaks: false, ...timesSigns, extensions: mathExtensions(false)});
const final = new Marked({gfm: true, breaks: false, ...timesSigns, extensions: mathExtensions(true)});

// What is nested too deeply for the lexer is one paragraph of plain text.
export function lex(text: string, complete: boolean): Token[] {
  try {
    return (complete ? final : settling).lexer(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return [{type: 'paragraph', raw: text, text, tokens: [{type: 'text', raw: text, text}]}];
  }
}

// What turns tokens into HTML with `renderer`.
export function makeParser(renderer: object): (tokens: Token[]) => string {
  const marked = new Marked({gfm: true, renderer, extensions: mathExtensions(true)});
  return tokens => marked.parser(tokens);
}

export class BlockCutter {
  private text = '';
  private offset = 0;

  // False when `text` does not begin with what is settled: the reader then starts anew.
  continues(text: string): boolean {
    return text.length >= this.offset && text.startsWith(this.text.slice(0, this.offset));
  }

  update(text: string, complete: boolean): {settled: Token[][]; open: Token[]} {
    this.text = text;
    const tokens = lex(text.slice(this.offset), complete);
    const settled: Token[][] = [];
    let keep = complete ? tokens.length : lastBlock(tokens);
    // Without exact lengths the offset cannot move; everything stays open.
    if (!complete && tokens.map(token => token.raw).join('') !== text.slice(this.offset)) keep = 0;
    for (const token of tokens.slice(0, keep)) {
      this.offset += token.raw.length;
      if (token.type !== 'space' && token.type !== 'def') settled.push([token]);
    }
    return {settled, open: tokens.slice(keep)};
  }
}

function lastBlock(tokens: Token[]): number {
  for (let i = tokens.length - 1; i >= 0; --i) {
    if (tokens[i]!.type !== 'space') return i;
  }
  return 0;
}

export type {Token, Tokens};
