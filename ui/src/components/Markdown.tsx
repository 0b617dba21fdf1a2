// Text of a model, rendered; while it streams only its last block is rendered again.
import {useLayoutEffect, useRef} from 'preact/hooks';
import {decorate} from '../decorate';
import {MarkdownView} from '../markdown';

export function Markdown({text, streaming = false}: {text: string; streaming?: boolean}) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  useLayoutEffect(() => {
    view.current ??= new MarkdownView(root.current!, decorate);
    view.current.update(text, !streaming);
  }, [text, streaming]);
  return <div class={`markdown ${streaming ? 'streaming' : ''}`} ref={root} dir="auto" />;
}
