// Buttons, menus and dialogs that every view shares.
import type {ComponentChildren} from 'preact';
import {useEffect, useId, useLayoutEffect, useRef, useState} from 'preact/hooks';
import {Icon, type IconName} from './icons';

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  class?: string;
}

export function IconButton({icon, label, onClick, disabled, pressed, class: extra}: IconButtonProps) {
  return (
    <button type="button" class={`icon-button ${extra ?? ''}`} aria-label={label} title={label} disabled={disabled}
            aria-pressed={pressed} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

interface ButtonProps {
  children: ComponentChildren;
  onClick?: () => void;
  kind?: 'plain' | 'primary' | 'quiet' | 'danger';
  icon?: IconName;
  disabled?: boolean;
  type?: 'button' | 'submit';
  label?: string;
  class?: string;
}

export function Button({children, onClick, kind = 'plain', icon, disabled, type = 'button', label, class: extra}: ButtonProps) {
  return (
    <button type={type} class={`button ${kind} ${extra ?? ''}`} onClick={onClick} disabled={disabled} aria-label={label}>
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

// Calls `close` on a press outside of `ref` and on Escape.
function useDismiss(ref: {current: HTMLElement | null}, open: boolean, close: () => void): void {
  useEffect(() => {
    if (!open) return;
    const press = (event: Event) => {
      if (!ref.current?.contains(event.target as Node)) close();
    };
    const key = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      close();
      ref.current?.querySelector<HTMLElement>('button')?.focus();
    };
    document.addEventListener('pointerdown', press, true);
    document.addEventListener('keydown', key, true);
    return () => {
      document.removeEventListener('pointerdown', press, true);
      document.removeEventListener('keydown', key, true);
    };
  }, [open]);
}

// Arrow keys move between what can be chosen.
export function moveFocus(event: KeyboardEvent, container: HTMLElement, selector: string): void {
  const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!step) return;
  const items = [...container.querySelectorAll<HTMLElement>(selector)].filter(item => item.offsetParent !== null);
  if (items.length === 0) return;
  event.preventDefault();
  const now = items.indexOf(document.activeElement as HTMLElement);
  items[now < 0 ? (step > 0 ? 0 : items.length - 1) : (now + step + items.length) % items.length]!.focus();
}

interface PopoverProps {
  button: ComponentChildren;
  label: string;
  children: (close: () => void) => ComponentChildren;
  class?: string;
  side?: 'up' | 'down';
  align?: 'start' | 'end';
}

// Puts an open panel beside its button, inside of the window. The panel is in the browser's top layer, where no
// ancestor can clip it.
function place(panel: HTMLElement, button: HTMLElement, side: 'up' | 'down', align: 'start' | 'end'): void {
  const kGap = 6;
  const kEdge = 8;
  const anchor = button.getBoundingClientRect();
  const {offsetWidth: width, offsetHeight: height} = panel;
  const below = innerHeight - anchor.bottom - kGap - kEdge;
  const above = anchor.top - kGap - kEdge;
  const down = side === 'down' ? height <= below || below >= above : height > above && below > above;
  panel.style.maxHeight = `${Math.max(120, down ? below : above)}px`;
  const shown = Math.min(height, down ? below : above);
  panel.style.top = `${down ? anchor.bottom + kGap : Math.max(kEdge, anchor.top - kGap - shown)}px`;
  const left = align === 'start' ? anchor.left : anchor.right - width;
  panel.style.left = `${Math.max(kEdge, Math.min(left, innerWidth - width - kEdge))}px`;
}

// A button that opens a small panel beside it.
export function Popover({button, label, children, class: extra, side = 'down', align = 'start'}: PopoverProps) {
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = () => setOpen(false);
  useDismiss(ref, open, close);
  useLayoutEffect(() => {
    const element = panel.current;
    const anchor = ref.current?.querySelector<HTMLElement>('button');
    if (!open || !element || !anchor) return;
    const again = () => place(element, anchor, side, align);
    element.showPopover();
    again();
    const observer = new ResizeObserver(again);
    observer.observe(element);
    addEventListener('resize', again);
    element.querySelector<HTMLElement>('input, button')?.focus({preventScroll: true});
    return () => {
      observer.disconnect();
      removeEventListener('resize', again);
    };
  }, [open]);
  return (
    <div class="popover-anchor" ref={ref}>
      <button type="button" class={extra ?? 'icon-button'} aria-label={label} title={label} aria-expanded={open}
              aria-controls={open ? id : undefined} onClick={() => setOpen(!open)}>
        {button}
      </button>
      {open && (
        <div id={id} ref={panel} popover="manual" class="popover" role="group" aria-label={label}
             onKeyDown={event => moveFocus(event, event.currentTarget, 'button:not([disabled])')}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

export function MenuItem({icon, children, onClick, danger, disabled}: {
  icon: IconName; children: ComponentChildren; onClick: () => void; danger?: boolean; disabled?: boolean;
}) {
  return (
    <button type="button" class={`menu-item ${danger ? 'danger' : ''}`} onClick={onClick} disabled={disabled}>
      <Icon name={icon} />
      {children}
    </button>
  );
}

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  class?: string;
}

// A modal dialog: focus stays inside, Escape and a press on the backdrop close it.
export function Dialog({title, onClose, children, class: extra}: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current!;
    const before = document.activeElement as HTMLElement | null;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog ref={ref} class={`dialog ${extra ?? ''}`} aria-labelledby={id}
            onCancel={event => {
              event.preventDefault();
              onClose();
            }}
            onPointerDown={event => {
              if (event.target === ref.current) onClose();
            }}>
      <div class="dialog-inner">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

// Something went wrong: a calm sentence, and what can be done.
export function Trouble({text, retry, retryLabel = 'Try again'}: {
  text: string; retry?: () => void; retryLabel?: string;
}) {
  return (
    <div class="trouble" role="alert">
      <span>{text}</span>
      {retry && <Button kind="quiet" icon="again" onClick={retry}>{retryLabel}</Button>}
    </div>
  );
}

export function Spinner({label}: {label: string}) {
  return (
    <span class="spinner-line" role="status">
      <span class="spinner" aria-hidden="true" />
      {label}
    </span>
  );
}
