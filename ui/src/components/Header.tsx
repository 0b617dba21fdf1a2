// The bar above a view: the way to the list where it is hidden, the view's own controls, and a place at the end.
import type {ComponentChildren} from 'preact';
import {IconButton} from './controls';
import {sidebarHidden, toggleSidebar} from './Sidebar';

// `bare`: shown only where the list is hidden, for a view that has its own title.
export function Header({children, bare = false}: {children: ComponentChildren; bare?: boolean}) {
  return (
    <header class={`header ${bare && !sidebarHidden.value ? 'bare' : ''}`}>
      <IconButton icon="menu" label="Show the list" class={`show-list ${sidebarHidden.value ? 'always' : ''}`} onClick={toggleSidebar} />
      {children}
    </header>
  );
}
