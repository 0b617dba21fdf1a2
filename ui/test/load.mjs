// A module of src/, bundled for node.
import * as esbuild from 'esbuild';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const src = path.join(path.dirname(fileURLToPath(import.meta.url)), '../src');

export async function load(name) {
  const {outputFiles} = await esbuild.build({
    entryPoints: [path.join(src, name)], bundle: true, write: false, format: 'esm', platform: 'browser', jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'aha-ui-'));
  try {
    const file = path.join(folder, 'module.mjs');
    fs.writeFileSync(file, outputFiles[0].contents);
    return await import(file);
  } finally {
    fs.rmSync(folder, {recursive: true});
  }
}
