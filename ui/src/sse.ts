// Server-sent events over fetch: EventSource cannot send the key's header, and retries on its own terms.
//   const parser = new SseParser(event => …); parser.push(text); …

export interface SseEvent {
  id: string | null;
  event: string;
  data: string;
}

// Turns pieces of a stream, cut anywhere, into events. CR, LF and CRLF end a line; a comment says nothing.
export class SseParser {
  private rest = '';
  private data: string[] = [];
  private id: string | null = null;
  private event = '';

  constructor(private readonly onEvent: (event: SseEvent) => void) {}

  push(text: string): void {
    this.rest += text;
    let begin = 0;
    for (;;) {
      const end = this.lineEnd(begin);
      if (end < 0) break;
      this.line(this.rest.slice(begin, end));
      begin = end + (this.rest.startsWith('\r\n', end) ? 2 : 1);
    }
    this.rest = this.rest.slice(begin);
  }

  // The next line's end, or -1. A CR that stands last may be half of a CRLF: it waits.
  private lineEnd(begin: number): number {
    for (let i = begin; i < this.rest.length; ++i) {
      const c = this.rest[i];
      if (c === '\n') return i;
      if (c === '\r') return i + 1 < this.rest.length ? i : -1;
    }
    return -1;
  }

  private line(line: string): void {
    if (line === '') {
      if (this.data.length > 0) {
        this.onEvent({id: this.id, event: this.event || 'message', data: this.data.join('\n')});
      }
      this.data = [];
      this.event = '';
      this.id = null;
      return;
    }
    if (line.startsWith(':')) return;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.data.push(value);
    if (field === 'event') this.event = value;
    if (field === 'id' && !value.includes('\0')) this.id = value;
  }
}

// Feeds a response's body to `onEvent` until it ends.
export async function readEvents(body: ReadableStream<Uint8Array>, onEvent: (event: SseEvent) => void): Promise<void> {
  const parser = new SseParser(onEvent);
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) break;
      parser.push(decoder.decode(value, {stream: true}));
    }
    parser.push(decoder.decode());
  } finally {
    reader.cancel().catch(() => {});
  }
}
