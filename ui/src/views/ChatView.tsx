// A chat: new, from the list, or incognito.
import {useEffect, useMemo, useState} from 'preact/hooks';
import {activeChat} from '../active_chat';
import {Chat} from '../chat';
import {Composer, setDraft} from '../components/Composer';
import {IconButton, Spinner, Trouble} from '../components/controls';
import {Gauge} from '../components/Gauge';
import {Header} from '../components/Header';
import {Icon} from '../components/icons';
import {ModelPicker} from '../components/ModelPicker';
import {SettingsPanel} from '../components/SettingsPanel';
import {Thread} from '../components/Thread';
import {Logo} from '../components/Sidebar';
import {replace, route} from '../router';
import {modelById, models, nextModel} from '../store';

// A new chat that has just got its id keeps being the same chat.
let fresh: Chat | null = null;

function chatFor(parts: string[]): Chat {
  const id = parts[0] === 'c' ? parts[1] ?? null : null;
  if (id !== null && fresh?.id === id) return fresh;
  const created: Chat = new Chat(id, parts[0] === 'incognito', newId => {
    fresh = created;
    replace(`#/c/${encodeURIComponent(newId)}`);
  });
  fresh = null;
  return created;
}

export function ChatView() {
  const {parts, query} = route.value;
  const name = `${parts[0] ?? ''}/${parts[1] ?? ''}`;
  const chat = useMemo(() => chatFor(parts), [name]);
  useEffect(() => {
    activeChat.value = [chat];
    if (chat.id !== null && chat.messages.value.length === 0) void chat.load();
    const model = query.get('model');
    if (model && chat.id === null) chat.model.value = model;
    if (matchMedia('(hover: hover)').matches) document.getElementById('composer')?.focus();
    return () => activeChat.value = [];
  }, [chat]);
  useEffect(() => {
    document.title = chat.title.value ? `${chat.title.value} - aha` : chat.incognito ? 'Incognito - aha' : 'aha';
  }, [chat, chat.title.value]);
  const empty = chat.path().length === 0;
  const usable = chat.state.value === 'ready';
  return (
    <main class={`main chat ${empty && usable ? 'empty' : ''} ${chat.incognito ? 'incognito' : ''}`}>
      <ChatHeader chat={chat} />
      {chat.state.value === 'loading' && <div class="view-loading"><Spinner label="Opening the conversation" /></div>}
      {chat.state.value === 'failed' &&
        <div class="view-loading"><Trouble text={chat.failure.value} retry={() => void chat.load()} /></div>}
      {chat.state.value === 'gone' && (
        <div class="view-loading"><p>This conversation is not on this machine any more.</p><a class="button" href="#/">New chat</a></div>
      )}
      {usable && (empty ? <Welcome chat={chat} /> : <Thread chat={chat} />)}
      {usable && <div class="composer-place"><Composer chat={chat} /></div>}
    </main>
  );
}

function usedContext(chat: Chat): number {
  const path = chat.path();
  for (let i = path.length - 1; i >= 0; --i) {
    const message = path[i]!;
    const live = chat.turns.value[message.id];
    if (live) {
      const written = live.samples.value[0]?.tokens ?? 0;
      return (live.prompt.value?.prompt_tokens ?? 0) + written;
    }
    if (message.usage) return message.usage.prompt_tokens + message.usage.completion_tokens;
  }
  return 0;
}

function ChatHeader({chat}: {chat: Chat}) {
  const [settings, setSettings] = useState(false);
  const model = modelById(chat.modelId());
  const used = usedContext(chat);
  return (
    <Header>
      <ModelPicker value={chat.modelId()} onChange={id => {
        chat.setModel(id);
        if (chat.id === null && !chat.incognito) nextModel.value = id;
      }} />
      {chat.incognito && <span class="badge"><Icon name="hidden" />Incognito</span>}
      <span class="spacer" />
      {model && used > 0 && <Gauge used={used} context={model.context} />}
      <IconButton icon="settings" label="Settings of this chat" onClick={() => setSettings(true)} />
      {settings && <SettingsPanel settings={chat.settings.value} save={next => chat.setSettings(next)}
                                  close={() => setSettings(false)} />}
    </Header>
  );
}

const kExamples = [
  'Use 9, 7 and 8 to make 10',
  'How many prime numbers are there below 50?',
  'A train leaves at 9:40 and takes 2 h 35 min. When does it arrive?',
];

function Welcome({chat}: {chat: Chat}) {
  const model = modelById(chat.modelId());
  const key = chat.incognito ? 'incognito' : 'new';
  const refused = chat.refused.value;
  return (
    <div class="welcome">
      <Logo />
      <h1>{chat.incognito ? 'Nothing of this is written down' : 'What shall we think about?'}</h1>
      {models.value.length === 0 ? (
        <p>There is no model on this machine yet. In a terminal: <code>aha models pull HuggingFaceTB/SmolLM2-135M-Instruct</code></p>
      ) : (
        <p class="hint">{chat.incognito ? 'When you leave this chat it is gone, here and on the server.' :
          model ? `${model.id} thinks on this machine; nothing leaves it.` : 'Choose a model above.'}</p>
      )}
      {refused && <Trouble text={refused.text} retry={refused.retry} />}
      <div class="examples">
        {kExamples.map(text => (
          <button key={text} type="button" class="example" onClick={() => {
            setDraft(key, text);
            document.getElementById('composer')?.focus();
          }}>{text}</button>
        ))}
      </div>
    </div>
  );
}
