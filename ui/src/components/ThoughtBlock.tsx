// A thought in its own quiet block: closed it is one line with its time and length, open it is the whole text.
import type {ComponentChildren} from 'preact';
import {useEffect, useId, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {count, seconds} from '../format';
import {Icon} from './icons';
import {Markdown} from './Markdown';

interface Props {
  text: string;
  // Still thinking: the clock runs, and the block follows the text.
  live?: boolean;
  startedAt?: number | null;
  seconds?: number | null;
  tokens?: number | null;
  open?: boolean;
  // The thought was given by its user rather than thought by the model.
  actions?: ComponentChildren;
}

function useClock(running: boolean, since: number | null | undefined): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 200);
    return () => clearInterval(timer);
  }, [running]);
  return since ? Math.max(0, (now - since) / 1000) : 0;
}

function title(live: boolean, elapsed: number, given: number | null | undefined): string {
  if (live) return `Thinking for ${seconds(elapsed)}`;
  return given != null && given > 0 ? `Thought for ${seconds(given)}` : 'Thought';
}

export function ThoughtBlock({text, live = false, startedAt, seconds: given, tokens, open: begin, actions}: Props) {
  const [chosen, setChosen] = useState<boolean | null>(begin ?? null);
  const open = chosen ?? live;
  const elapsed = useClock(live, startedAt);
  const id = useId();
  const body = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  useLayoutEffect(() => {
    const element = body.current;
    if (element && live && follows.current) element.scrollTop = element.scrollHeight;
  }, [text, open, live]);
  return (
    <section class={`thought ${live ? 'live' : ''} ${open ? 'open' : ''}`} aria-label="Thought">
      <div class="thought-head">
        <button type="button" class="thought-toggle" aria-expanded={open} aria-controls={id}
                onClick={() => setChosen(!open)}>
          <Icon name="thought" />
          <span class="thought-title">{title(live, elapsed, given)}</span>
          {tokens != null && tokens > 0 && <span class="thought-tokens">{count(tokens)} tokens</span>}
          <span class="thought-caret"><Icon name="down" /></span>
        </button>
        {actions}
      </div>
      {open && (
        <div id={id} class="thought-body" ref={body} tabIndex={0} role="region" aria-label="Text of the thought"
             onScroll={event => {
               const {scrollTop, scrollHeight, clientHeight} = event.currentTarget;
               follows.current = scrollHeight - scrollTop - clientHeight < 24;
             }}>
          <Markdown text={text} streaming={live} />
        </div>
      )}
    </section>
  );
}
