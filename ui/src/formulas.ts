// KaTeX, as a lazy chunk. katex.render builds elements and sets their styles through the object model, which the page's
// Content-Security-Policy allows; the same styles in HTML text would be dropped.
import katex from 'katex';
import {loadStyle} from './lazy';

export interface Formulas {
  draw(block: HTMLElement): void;
}

function drawOne(element: HTMLElement): void {
  const tex = element.textContent ?? '';
  try {
    // Drawn aside first: a formula that fails half-way leaves the source as it was written.
    const drawn = document.createElement('span');
    katex.render(tex, drawn, {
      displayMode: element.classList.contains('math-display'),
      throwOnError: true,
      trust: false,
      strict: 'ignore',
      maxSize: 30,
      maxExpand: 200,
    });
    element.replaceChildren(...drawn.childNodes);
    element.classList.add('math-drawn');
    element.title = tex;
  } catch {
    element.classList.add('math-source');
  }
}

export const formulas: Formulas = {
  draw(block) {
    loadStyle('/katex.css').catch(() => {});
    for (const element of block.querySelectorAll<HTMLElement>('.math:not(.math-drawn, .math-source)')) drawOne(element);
  },
};
