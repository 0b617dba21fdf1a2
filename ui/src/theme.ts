// Light, dark, or as the system; kept in this browser, being no secret.
import {effect, signal} from '@preact/signals';

export type Theme = 'auto' | 'light' | 'dark';
const kItem = 'aha-theme';

function stored(): Theme {
  const value = localStorage.getItem(kItem);
  return value === 'light' || value === 'dark' ? value : 'auto';
}

export const theme = signal<Theme>(stored());

effect(() => {
  document.documentElement.dataset['theme'] = theme.value;
  localStorage.setItem(kItem, theme.value);
});

// To the next of the three.
export function chooseTheme(): void {
  theme.value = ({auto: 'light', light: 'dark', dark: 'auto'} as const)[theme.value];
}
