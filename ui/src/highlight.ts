// highlight.js with the languages that answers are written in, as a lazy chunk.
import createDOMPurify from 'dompurify';
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import latex from 'highlight.js/lib/languages/latex';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

export interface Highlighter {
  highlight(code: HTMLElement, language: string): void;
}

const kLanguages = {
  bash, c, cpp, css, diff, go, ini, java, javascript, json, latex, markdown, python, rust, sql, typescript, xml, yaml,
};
for (const [name, language] of Object.entries(kLanguages)) hljs.registerLanguage(name, language);
hljs.registerAliases(['sh', 'shell', 'zsh', 'console'], {languageName: 'bash'});
hljs.registerAliases(['toml'], {languageName: 'ini'});

// Above this, colour is not worth the time it takes.
const kMostCharacters = 60_000;
const purify = createDOMPurify(window as any);

export const highlighter: Highlighter = {
  highlight(code, language) {
    const text = code.textContent ?? '';
    if (!hljs.getLanguage(language) || text.length > kMostCharacters) return;
    const {value} = hljs.highlight(text, {language, ignoreIllegals: true});
    code.replaceChildren(purify.sanitize(value, {
      ALLOWED_TAGS: ['span'],
      ALLOWED_ATTR: ['class'],
      RETURN_DOM_FRAGMENT: true,
    }));
  },
};
