// Two models answer the same question next to each other. Like an incognito chat, nothing of it is written.
//   #/compare?a=MODEL&b=MODEL
import {useEffect, useMemo, useState} from 'preact/hooks';
import {activeChat} from '../active_chat';
import {Chat} from '../chat';
import {Button, IconButton} from '../components/controls';
import {Header} from '../components/Header';
import {Icon} from '../components/icons';
import {ModelPicker} from '../components/ModelPicker';
import {SettingsPanel} from '../components/SettingsPanel';
import {Thread} from '../components/Thread';
import {defaultModel, models, sayError} from '../store';
import {stopTurn} from '../turns';

function makeChat(model: string | null): Chat {
  const chat = new Chat(null, true, () => {});
  chat.model.value = model;
  chat.settings.value = {};
  return chat;
}

function secondModel(first: string | null): string | null {
  return models.value.find(model => model.fits && model.id !== first)?.id ?? first;
}

export function CompareView({query}: {query: URLSearchParams}) {
  const [round, setRound] = useState(0);
  const [left, right] = useMemo(() => {
    const first = query.get('a') ?? defaultModel.value;
    return [makeChat(first), makeChat(query.get('b') ?? secondModel(first))] as const;
  }, [query.get('a'), query.get('b'), round]);
  const [settings, setSettings] = useState(false);
  useEffect(() => {
    activeChat.value = [left, right];
    document.title = 'Side by side - aha';
    return () => activeChat.value = [];
  }, [left, right]);
  return (
    <main class="main compare">
      <Header>
        <h1 class="header-title">Side by side</h1>
        <span class="spacer" />
        <Button kind="quiet" icon="plus" onClick={() => setRound(round + 1)}>Start over</Button>
        <IconButton icon="settings" label="Settings of both" onClick={() => setSettings(true)} />
      </Header>
      <div class="columns">
        <Column chat={left} name="First model" />
        <Column chat={right} name="Second model" />
      </div>
      <div class="composer-place"><SharedComposer chats={[left, right]} /></div>
      {settings && <SettingsPanel settings={left.settings.value} close={() => setSettings(false)} save={next => {
        left.setSettings(next);
        right.setSettings(next);
      }} />}
    </main>
  );
}

function Column({chat, name}: {chat: Chat; name: string}) {
  return (
    <section class="column" aria-label={name}>
      <div class="column-head">
        <ModelPicker label={name} value={chat.modelId()} onChange={id => chat.setModel(id)} />
      </div>
      {chat.path().length === 0 ?
        <p class="hint empty">Its answers will stand here. Ask below: both get the same question at the same time.</p> :
        <Thread chat={chat} />}
    </section>
  );
}

function SharedComposer({chats}: {chats: Chat[]}) {
  const [text, setText] = useState('');
  const running = chats.flatMap(chat => {
    const message = chat.streaming();
    const live = message && chat.turns.value[message.id];
    return live ? [live] : [];
  });
  const send = () => {
    if (!text.trim() || running.length > 0) return;
    for (const chat of chats) void chat.ask(chat.path().at(-1)?.id ?? null, text);
    setText('');
  };
  return (
    <form class="composer" aria-label="Your question to both" onSubmit={event => {
      event.preventDefault();
      send();
    }}>
      <textarea id="composer" rows={2} value={text} placeholder="Ask both" aria-label="Message"
                onInput={event => setText(event.currentTarget.value)}
                onKeyDown={event => {
                  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
                    event.preventDefault();
                    send();
                  }
                }} />
      <div class="composer-row">
        <span class="hint">Nothing of this is written down.</span>
        <span class="spacer" />
        {running.length > 0 ? (
          <IconButton icon="stop" label="Stop both (Esc)" class="send"
                      onClick={() => running.forEach(live => stopTurn(live).catch(sayError))} />
        ) : (
          <button type="submit" class="icon-button send" aria-label="Send" disabled={!text.trim()}><Icon name="send" /></button>
        )}
      </div>
    </form>
  );
}
