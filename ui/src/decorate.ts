// Formulas and highlighted code in a rendered block. Both libraries are chunks of their own.
import type {Formulas} from './formulas';
import type {Highlighter} from './highlight';
import {copyText} from './clipboard';

let formulas: Formulas | null = null;
let highlighter: Highlighter | null = null;
let formulasLoading: Promise<Formulas> | null = null;
let highlighterLoading: Promise<Highlighter> | null = null;

export function decorate(block: HTMLElement): void {
  if (block.querySelector('.math')) drawFormulas(block);
  for (const pre of block.querySelectorAll('pre')) dressCode(pre);
  for (const table of block.querySelectorAll('table')) wrapTable(table);
}

function drawFormulas(block: HTMLElement): void {
  if (formulas) {
    formulas.draw(block);
    return;
  }
  formulasLoading ??= import('./formulas').then(chunk => formulas = chunk.formulas);
  formulasLoading.then(loaded => loaded.draw(block), () => formulasLoading = null);
}

// A wide table scrolls in its own frame, never the page.
function wrapTable(table: HTMLTableElement): void {
  const frame = document.createElement('div');
  frame.className = 'table-frame';
  frame.tabIndex = 0;
  table.replaceWith(frame);
  frame.append(table);
}

function dressCode(pre: HTMLPreElement): void {
  const code = pre.querySelector('code');
  if (!code) return;
  const language = pre.dataset['language'] ?? '';
  const frame = document.createElement('div');
  frame.className = 'code-frame';
  const head = document.createElement('div');
  head.className = 'code-head';
  const name = document.createElement('span');
  name.textContent = language || 'text';
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'code-copy';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', 'Copy code');
  button.addEventListener('click', async () => {
    button.textContent = await copyText(code.textContent ?? '') ? 'Copied' : 'Not allowed';
    setTimeout(() => button.textContent = 'Copy', 1500);
  });
  head.append(name, button);
  pre.replaceWith(frame);
  pre.tabIndex = 0;
  frame.append(head, pre);
  if (language) highlight(code, language);
}

function highlight(code: HTMLElement, language: string): void {
  if (highlighter) {
    highlighter.highlight(code, language);
    return;
  }
  highlighterLoading ??= import('./highlight').then(chunk => highlighter = chunk.highlighter);
  highlighterLoading.then(loaded => loaded.highlight(code, language), () => highlighterLoading = null);
}
