// A module of src/, bundled for node.
import * as esbuild from 'esbuild';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const src = path.join(path.dirname(fileURLToPath(import.meta.url)), '../src');

export async function load(name) {
  const {outputFiles} = await esbuild.build({
    entryPoints: [path.join(src, name)], bundle: true, write: false, format: 'esm', platform: 'browser', jsx: 'automatic',
    jsxImportSource: 'preact',
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}
