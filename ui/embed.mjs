// Writes the bundled page as C++: node embed.mjs DIST OUT.cc
// Each file stands there gzip-compressed, with its type and a hash of its content, as src/server/ui_files.h declares.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

const kMimes = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.txt': 'text/plain; charset=utf-8',
};
const [dist, out] = process.argv.slice(2);

function files(folder, prefix = '') {
  return fs.readdirSync(folder, {withFileTypes: true}).sort((a, b) => a.name < b.name ? -1 : 1).flatMap(
      entry => entry.isDirectory() ? files(path.join(folder, entry.name), `${prefix}${entry.name}/`) : [prefix + entry.name]);
}

// String literals compile many times faster than lists of numbers.
function literal(bytes) {
  const lines = [];
  for (let begin = 0; begin < bytes.length; begin += 64) {
    lines.push(`    "${[...bytes.subarray(begin, begin + 64)].map(byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`);
  }
  return lines.join('\n');
}

const entries = [];
const contents = files(dist).map((name, index) => {
  const content = fs.readFileSync(path.join(dist, name));
  const mime = kMimes[path.extname(name)];
  if (!mime) throw new Error(`ui: ${name} has no known type`);
  const etag = crypto.createHash('sha256').update(content).digest('hex').slice(0, 32);
  const gzip = zlib.gzipSync(content, {level: 9});
  entries.push(`    {"/${name}", "${mime}", "\\"${etag}\\"", BytesOf(kContent${index}, ${gzip.length})},`);
  return `const char kContent${index}[] =\n${literal(gzip)};\n`;
});

fs.mkdirSync(path.dirname(out), {recursive: true});
fs.writeFileSync(out, `// Written by ui/embed.mjs.
#include "server/ui_files.h"

namespace aha {
namespace {

${contents.join('')}
std::span<const unsigned char> BytesOf(const char* content, std::size_t size) {
  return {reinterpret_cast<const unsigned char*>(content), size};
}

const UiFile kFiles[] = {
${entries.join('\n')}
};

}  // namespace

std::span<const UiFile> UiFiles() { return kFiles; }

bool UiIsComplete() { return true; }

}  // namespace aha
`);
