// Text of a model, rendered; while it streams only its last block is rendered again.
import {useLayoutEffect, useRef} from 'preact/hooks';
import {decorate} from '../decorate';
import {MarkdownView} from '../markdown';

export function Markdown({text, streaming = false}: {text: string; streaming?: boolean}) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  const latest = useRef(text);
  const timer = useRef(0);
  const restUntil = useRef(0);
  latest.current = text;
  useLayoutEffect(() => {
    const draw = () => {
      clearTimeout(timer.current);
      timer.current = 0;
      const began = performance.now();
      view.current ??= new MarkdownView(root.current!, decorate);
      view.current.update(latest.current, !streaming);
      // A block that takes long, a page of text without a paragraph, is drawn less often, so that the page stays quick.
      const now = performance.now();
      restUntil.current = now - began > 8 ? now + Math.min(1000, 5 * (now - began)) : 0;
    };
    const wait = restUntil.current - performance.now();
    if (!streaming || wait <= 0) draw();
    else timer.current ||= setTimeout(draw, wait);
  }, [text, streaming]);
  useLayoutEffect(() => () => clearTimeout(timer.current), []);
  return <div class={`markdown ${streaming ? 'streaming' : ''}`} ref={root} dir="auto" />;
}
