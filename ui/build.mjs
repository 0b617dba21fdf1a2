// Bundles the web app into a folder: node build.mjs OUT [--watch]
// What the first page needs is one script and one style sheet; formulas, highlighted code and the growth view are
// chunks that load when they are first needed. Fails when the whole, without KaTeX's fonts, outgrows its budget.
import * as esbuild from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import {fileURLToPath} from 'node:url';

const kBudgetBytes = 300_000;
const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(here, 'dist'));
const watch = process.argv.includes('--watch');

// KaTeX's style sheet names each font three times; every browser that runs this page reads woff2.
function copyKatex() {
  const dist = path.join(here, 'node_modules/katex/dist');
  const css = fs.readFileSync(path.join(dist, 'katex.min.css'), 'utf8')
      .replace(/,url\([^)]*\.(?:woff|ttf)\) format\("[^"]*"\)/g, '');
  fs.writeFileSync(path.join(out, 'katex.css'), css);
  fs.mkdirSync(path.join(out, 'fonts'), {recursive: true});
  for (const name of fs.readdirSync(path.join(dist, 'fonts'))) {
    if (name.endsWith('.woff2')) {
      fs.copyFileSync(path.join(dist, 'fonts', name), path.join(out, 'fonts', name));
    }
  }
}

// What the bundle holds of others, each under its own licence, as that asks for.
function writeLicences() {
  const names = ['preact', '@preact/signals', '@preact/signals-core', 'marked', 'dompurify', 'katex', 'highlight.js', 'uplot'];
  const texts = names.map(name => {
    const folder = path.join(here, 'node_modules', name);
    const file = fs.readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
    const {version, license} = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
    const text = file ? fs.readFileSync(path.join(folder, file), 'utf8').trim() : license;
    return `${name} ${version}\n${'='.repeat(name.length + version.length + 1)}\n\n${text}\n`;
  });
  fs.writeFileSync(path.join(out, 'licenses.txt'), texts.join('\n\n'));
}

function files(folder, prefix = '') {
  return fs.readdirSync(folder, {withFileTypes: true}).flatMap(
      entry => entry.isDirectory() ? files(path.join(folder, entry.name), `${prefix}${entry.name}/`) :
                                     [prefix + entry.name]);
}

function checkSizes() {
  let total = 0;
  for (const name of files(out).filter(name => !name.endsWith('.woff2')).sort()) {
    const size = zlib.gzipSync(fs.readFileSync(path.join(out, name)), {level: 9}).length;
    total += size;
    console.log(`${String(size).padStart(8)}  ${name}`);
  }
  console.log(`${String(total).padStart(8)}  in all, compressed, of ${kBudgetBytes} allowed`);
  if (total > kBudgetBytes) {
    console.error(`ui: ${total} bytes compressed is over the budget of ${kBudgetBytes}`);
    process.exit(1);
  }
}

fs.rmSync(out, {recursive: true, force: true});
fs.mkdirSync(out, {recursive: true});
for (const name of ['index.html', 'icon.svg']) {
  fs.copyFileSync(path.join(here, 'src', name), path.join(out, name));
}
copyKatex();
writeLicences();
const options = {
  absWorkingDir: here,
  entryPoints: [
    {in: 'src/main.tsx', out: 'app'},
    {in: 'src/styles/app.css', out: 'app'},
    {in: 'src/growth/growth.css', out: 'growth'},
  ],
  outdir: out,
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['es2022', 'chrome110', 'firefox115', 'safari16.4'],
  chunkNames: 'chunk-[name]-[hash]',
  minify: !watch,
  sourcemap: watch ? 'inline' : false,
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
};
if (watch) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
  checkSizes();
}
