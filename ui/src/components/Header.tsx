// The bar above a view: the way to the list where it is hidden, the view's own controls, and a place at the end.
import type {ComponentChildren} from 'preact';
import {IconButton} from './controls';
import {sidebarHidden, toggleSidebar} from './Sidebar';

export function Header({children}: {children: ComponentChildren}) {
  return (
    <header class="header">
      <IconButton icon="menu" label="Show the list" class={`show-list ${sidebarHidden.value ? 'always' : ''}`} onClick={toggleSidebar} />
      {children}
    </header>
  );
}
