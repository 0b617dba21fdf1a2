// The messages of a chat, newest at the bottom. Follows the text while its reader is at the end, and lets go when they
// scroll up. Of a long conversation the last messages come first; earlier ones are added as one scrolls to them.
import {useEffect, useLayoutEffect, useRef, useState} from 'preact/hooks';
import type {Chat} from '../chat';
import {Trouble} from './controls';
import {Icon} from './icons';
import {AssistantMessage, UserMessage} from './MessageView';

const kWindow = 24;
const kNear = 48;

export function Thread({chat}: {chat: Chat}) {
  const path = chat.path();
  const [shown, setShown] = useState(kWindow);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const follows = useRef(true);
  const lastTop = useRef(0);
  const heightBefore = useRef(0);

  const toEnd = (smooth = false) => {
    const element = scroller.current!;
    follows.current = true;
    setFollowing(true);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    element.scrollTo({top: element.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant'});
  };

  // Whatever grows the thread (tokens, formulas, pictures of code) keeps the end in sight while it is followed.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      const element = scroller.current;
      if (element && follows.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(content.current!);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => toEnd(), [chat, path.length]);

  useEffect(() => {
    const observer = new IntersectionObserver(entries => {
      if (!scroller.current || !entries.some(entry => entry.isIntersecting)) return;
      heightBefore.current = scroller.current.scrollHeight;
      setShown(now => now + kWindow);
    }, {root: scroller.current, rootMargin: '600px'});
    if (top.current) observer.observe(top.current);
    return () => observer.disconnect();
  }, [shown, path.length]);
  // The browser keeps a reader's place when something is added above, but not at the very top.
  useLayoutEffect(() => {
    const element = scroller.current!;
    if (heightBefore.current > 0 && element.scrollTop < 1) element.scrollTop = element.scrollHeight - heightBefore.current;
    heightBefore.current = 0;
  }, [shown]);

  const onScroll = () => {
    // The browser may tell of a scroll after the thread has gone.
    if (!scroller.current) return;
    const {scrollTop, scrollHeight, clientHeight} = scroller.current;
    const atEnd = scrollHeight - scrollTop - clientHeight < kNear;
    // Only a scroll upwards lets go; a thread that grew under its reader does not.
    if (atEnd) follows.current = true;
    else if (scrollTop < lastTop.current - 2) follows.current = false;
    lastTop.current = scrollTop;
    if (following !== follows.current) setFollowing(follows.current);
  };

  // What a reader opens in a finished thread grows downwards, away from what they look at.
  const rest = () => {
    if (chat.streaming() === null) follows.current = false;
  };

  const refused = chat.refused.value;
  return (
    <div class="thread-frame">
      <div class="thread" ref={scroller} onScroll={onScroll} onPointerDown={rest} onKeyDown={rest} tabIndex={-1}>
        <div class="thread-column" ref={content}>
          {shown < path.length && <div ref={top} class="thread-earlier">Earlier messages</div>}
          {path.slice(-shown).map(message => message.role === 'user' ?
            <UserMessage key={message.id} chat={chat} message={message} /> :
            <AssistantMessage key={message.id} chat={chat} message={message} />)}
          {refused && <Trouble text={refused.text} retry={refused.retry} />}
        </div>
      </div>
      {!following && (
        <button type="button" class="to-end" aria-label="To the newest text" title="To the newest text"
                onClick={() => toEnd(true)}><Icon name="down" /></button>
      )}
    </div>
  );
}
