// Edit a thought, then let the model think on from it, or answer from it as it stands.
import {useState} from 'preact/hooks';
import type {Chat} from '../chat';
import {Button} from './controls';

interface Props {
  chat: Chat;
  userMessage: string;
  thought: string;
  close: () => void;
}

export function ThoughtEditor({chat, userMessage, thought, close}: Props) {
  const [text, setText] = useState(thought);
  const go = async (closed: boolean) => {
    if (await chat.continueFrom(userMessage, {reasoning_content: text, thought_closed: closed})) close();
  };
  return (
    <section class="thought open editing" aria-label="Edit the thought">
      <textarea class="field thought-field" value={text} aria-label="The thought"
                rows={Math.min(20, Math.max(5, text.split('\n').length + 1))}
                ref={element => {
                  if (element && element.dataset['ready'] !== 'yes') {
                    element.dataset['ready'] = 'yes';
                    element.focus();
                    element.setSelectionRange(element.value.length, element.value.length);
                  }
                }}
                onInput={event => setText(event.currentTarget.value)}
                onKeyDown={event => {
                  if (event.key === 'Escape') {
                    event.stopPropagation();
                    close();
                  }
                }} />
      <p class="hint">What you change becomes the beginning of a new answer; this one stays as another version.</p>
      <div class="row end wrap">
        <Button kind="quiet" onClick={close}>Cancel</Button>
        <Button onClick={() => void go(true)} disabled={chat.starting.value}>Answer from this thought</Button>
        <Button kind="primary" onClick={() => void go(false)} disabled={chat.starting.value}>Think on from here</Button>
      </div>
    </section>
  );
}
