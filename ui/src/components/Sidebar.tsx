// Conversations by day, search, and the way to everything else.
import {signal} from '@preact/signals';
import {useEffect, useRef, useState} from 'preact/hooks';
import {day} from '../format';
import {go, route} from '../router';
import {
  conversations, deleteConversation, exportConversations, listState, loadConversations, moreConversations,
  renameConversation, say, sayError, search, status,
} from '../store';
import type {ConversationSummary} from '../types';
import {Button, Dialog, IconButton, MenuItem, moveFocus, Popover, Trouble} from './controls';
import {Icon} from './icons';
import {LibraryMenu} from './LibraryMenu';

// On a phone the list lies over the page; elsewhere it stands beside it unless it was put away.
export const drawerOpen = signal(false);
export const sidebarHidden = signal(false);

export function toggleSidebar(): void {
  if (matchMedia('(max-width: 820px)').matches) drawerOpen.value = !drawerOpen.value;
  else sidebarHidden.value = !sidebarHidden.value;
}

export function focusSearch(): void {
  if (matchMedia('(max-width: 820px)').matches) drawerOpen.value = true;
  else sidebarHidden.value = false;
  requestAnimationFrame(() => document.getElementById('search')?.focus());
}

export function Sidebar() {
  const open = drawerOpen.value;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (open) panel.current?.querySelector<HTMLElement>('button')?.focus();
  }, [open]);
  useEffect(() => {
    drawerOpen.value = false;
  }, [route.value]);
  return (
    <>
      {open && <div class="scrim" onClick={() => drawerOpen.value = false} />}
      <nav class={`sidebar ${open ? 'open' : ''} ${sidebarHidden.value ? 'hidden' : ''}`} aria-label="Conversations" ref={panel}
           onKeyDown={event => {
             if (event.key === 'Escape' && drawerOpen.value) drawerOpen.value = false;
             if (!(event.target as HTMLElement).closest('.popover')) {
               moveFocus(event, event.currentTarget, '#search, .conversation > a');
             }
           }}>
        <div class="sidebar-head">
          <a class="brand" href="#/"><Logo />aha</a>
          <span class="spacer" />
          <LibraryMenu />
          <IconButton icon="menu" label="Hide the list" onClick={toggleSidebar} />
        </div>
        <div class="sidebar-new">
          <a class="button primary" href="#/"><Icon name="plus" />New chat</a>
          <a class="icon-button framed" href="#/incognito" aria-label="Incognito chat, never written" title="Incognito chat, never written">
            <Icon name="hidden" />
          </a>
        </div>
        <SearchField />
        <ConversationList />
        <div class="sidebar-foot">
          <NavLink hash="#/compare" part="compare" icon="columns">Side by side</NavLink>
          {status.value?.runs !== false && <NavLink hash="#/growth" part="growth" icon="growth">Growth</NavLink>}
        </div>
      </nav>
    </>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M16 7v10" />
      <circle cx="16" cy="23.4" r="2.3" />
    </svg>
  );
}

function NavLink({hash, part, icon, children}: {hash: string; part: string; icon: 'columns' | 'growth'; children: string}) {
  return (
    <a class="nav-link" href={hash} aria-current={route.value.parts[0] === part ? 'page' : undefined}>
      <Icon name={icon} />{children}
    </a>
  );
}

let searchTimer: ReturnType<typeof setTimeout> | undefined;

function SearchField() {
  return (
    <label class="search">
      <Icon name="search" />
      <input id="search" type="search" placeholder="Search" aria-label="Search conversations" value={search.value}
             aria-keyshortcuts="Control+K" autocomplete="off"
             onInput={event => {
               search.value = event.currentTarget.value;
               clearTimeout(searchTimer);
               searchTimer = setTimeout(() => loadConversations().catch(sayError), 180);
             }} />
      <kbd>Ctrl K</kbd>
    </label>
  );
}

function ConversationList() {
  const list = conversations.value;
  let last = '';
  return (
    <div class="conversation-list">
      {listState.value === 'failed' &&
        <Trouble text="The conversations could not be read." retry={() => loadConversations().catch(sayError)} />}
      {list.length === 0 && listState.value === 'idle' && (
        <p class="hint empty">{search.value.trim() ? `Nothing holds “${search.value.trim()}”.` :
          'Your conversations will stand here. They stay on this machine.'}</p>
      )}
      {list.map(item => {
        const group = day(item.updated);
        const head = group === last || search.value.trim() ? null : <div class="group-name">{group}</div>;
        last = group;
        return <div key={item.id}>{head}<ConversationRow item={item} /></div>;
      })}
      {moreConversations.value && (
        <Button kind="quiet" onClick={() => loadConversations(true).catch(sayError)}>Older conversations</Button>
      )}
    </div>
  );
}

function ConversationRow({item}: {item: ConversationSummary}) {
  const [renaming, setRenaming] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const here = route.value.parts[0] === 'c' && route.value.parts[1] === item.id;
  if (renaming) return <RenameField item={item} close={() => setRenaming(false)} />;
  return (
    <div class={`conversation ${here ? 'here' : ''}`}>
      <a href={`#/c/${encodeURIComponent(item.id)}`} aria-current={here ? 'page' : undefined} title={item.title}>
        <span class="conversation-title">{item.title || 'Untitled'}</span>
        {item.snippet && <span class="snippet">{item.snippet}</span>}
      </a>
      <Popover label={`Actions for ${item.title || 'this conversation'}`} button={<Icon name="more" />} align="end">
        {close => (
          <div class="menu">
            <MenuItem icon="edit" onClick={() => {
              close();
              setRenaming(true);
            }}>Rename</MenuItem>
            <MenuItem icon="download" onClick={() => {
              close();
              exportConversations(item.id).catch(sayError);
            }}>Export</MenuItem>
            <MenuItem icon="trash" danger onClick={() => {
              close();
              setDeleting(true);
            }}>Delete</MenuItem>
          </div>
        )}
      </Popover>
      {deleting && <DeleteDialog item={item} here={here} close={() => setDeleting(false)} />}
    </div>
  );
}

function RenameField({item, close}: {item: ConversationSummary; close: () => void}) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const save = () => {
    const title = field.current?.value.trim() ?? '';
    close();
    if (title && title !== item.title) renameConversation(item.id, title).catch(sayError);
  };
  return (
    <div class="conversation">
      <input class="field" ref={field} defaultValue={item.title} aria-label="Title" maxLength={200} onBlur={save}
             onKeyDown={event => {
               if (event.key === 'Enter') save();
               if (event.key === 'Escape') {
                 event.stopPropagation();
                 close();
               }
             }} />
    </div>
  );
}

function DeleteDialog({item, here, close}: {item: ConversationSummary; here: boolean; close: () => void}) {
  return (
    <Dialog title="Delete this conversation?" onClose={close} class="small">
      <p>“{item.title || 'Untitled'}” and its messages are removed from this machine. This cannot be undone.</p>
      <div class="row end">
        <Button kind="quiet" onClick={close}>Keep it</Button>
        <Button kind="danger" onClick={async () => {
          close();
          try {
            await deleteConversation(item.id);
            if (here) go('#/');
            say('Deleted.');
          } catch (error) {
            sayError(error);
          }
        }}>Delete</Button>
      </div>
    </Dialog>
  );
}
