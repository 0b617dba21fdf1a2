// What concerns all conversations, and the page itself: import, export, deletion, encryption, theme, keys.
import {useRef, useState} from 'preact/hooks';
import {bytes} from '../format';
import {go} from '../router';
import {
  deleteAllConversations, exportConversations, importConversations, say, sayError, status,
} from '../store';
import {plural} from '../format';
import {chooseTheme, theme} from '../theme';
import {Button, Dialog, MenuItem, Popover} from './controls';
import {EncryptDialog} from './Gates';
import {Icon} from './icons';

type Open = 'delete' | 'encrypt' | 'keys' | 'about' | null;
const kThemes = {auto: ['auto', 'Theme: as the system'], light: ['sun', 'Theme: light'], dark: ['moon', 'Theme: dark']} as const;

export function LibraryMenu() {
  const [open, setOpen] = useState<Open>(null);
  const file = useRef<HTMLInputElement>(null);
  const [icon, label] = kThemes[theme.value];
  return (
    <>
      <Popover label="Menu" button={<Icon name="more" />} align="end">
        {close => {
          const show = (what: Open) => () => {
            close();
            setOpen(what);
          };
          return (
            <div class="menu">
              <MenuItem icon={icon} onClick={() => chooseTheme()}>{label}</MenuItem>
              <MenuItem icon="upload" onClick={() => {
                close();
                file.current?.click();
              }}>Import conversations</MenuItem>
              <MenuItem icon="download" onClick={() => {
                close();
                exportConversations(null).catch(sayError);
              }}>Export all conversations</MenuItem>
              {status.value && !status.value.encrypted &&
                <MenuItem icon="lock" onClick={show('encrypt')}>Encrypt conversations</MenuItem>}
              <MenuItem icon="trash" danger onClick={show('delete')}>Delete all conversations</MenuItem>
              <MenuItem icon="menu" onClick={show('keys')}>Keyboard</MenuItem>
              <MenuItem icon="chat" onClick={show('about')}>About this machine</MenuItem>
            </div>
          );
        }}
      </Popover>
      <input ref={file} type="file" accept=".json,application/json" class="off-screen" tabIndex={-1} aria-hidden="true"
             onChange={event => {
               const chosen = event.currentTarget.files?.[0];
               event.currentTarget.value = '';
               if (!chosen) return;
               importConversations(chosen).then(n => say(`${plural(n, 'conversation')} imported.`), sayError);
             }} />
      {open === 'delete' && <DeleteAll close={() => setOpen(null)} />}
      {open === 'encrypt' && <EncryptDialog close={() => setOpen(null)} />}
      {open === 'keys' && <Keys close={() => setOpen(null)} />}
      {open === 'about' && <About close={() => setOpen(null)} />}
    </>
  );
}

function DeleteAll({close}: {close: () => void}) {
  return (
    <Dialog title="Delete all conversations?" onClose={close} class="small">
      <p>Every conversation is removed from this machine. This cannot be undone; “Export all” keeps a copy.</p>
      <div class="row end">
        <Button kind="quiet" onClick={close}>Keep them</Button>
        <Button kind="danger" onClick={() => {
          close();
          deleteAllConversations().then(() => {
            go('#/');
            say('All conversations are deleted.');
          }, sayError);
        }}>Delete all</Button>
      </div>
    </Dialog>
  );
}

const kKeys: [string, string][] = [
  ['Ctrl K', 'search conversations'],
  ['↑ ↓', 'move in the list'],
  ['/', 'write a message'],
  ['Enter', 'send'],
  ['Shift Enter', 'new line'],
  ['↑ in an empty message', 'edit your last message'],
  ['Esc', 'stop the answer'],
  ['Ctrl .', 'stop thinking and answer now'],
  ['Ctrl Shift O', 'new chat'],
];

function Keys({close}: {close: () => void}) {
  return (
    <Dialog title="Keyboard" onClose={close} class="small">
      <dl class="facts">
        {kKeys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
      </dl>
    </Dialog>
  );
}

function About({close}: {close: () => void}) {
  const now = status.value;
  const facts: [string, string][] = now ? [
    ['Version', now.version],
    ['Processor', `${now.machine.cpu}, ${plural(now.machine.cores, 'core')}, ${now.machine.code_path}`],
    ['Memory', bytes(now.machine.memory_bytes)],
    ['Conversations', now.encrypted ? 'encrypted on disk' : 'on disk, readable by you alone'],
    ['Network', String(now.sandbox?.network ?? 'unknown')],
    ['Files', String(now.sandbox?.files ?? 'unknown')],
  ] : [];
  return (
    <Dialog title="About this machine" onClose={close} class="small">
      <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <p class="hint">Everything runs here. This page speaks with its own server and with nothing else. It is made
        with the work of <a href="/licenses.txt" target="_blank" rel="noopener">others</a>.</p>
    </Dialog>
  );
}
