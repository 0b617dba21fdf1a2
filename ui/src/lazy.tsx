// A view whose code loads when it is first shown.
import type {ComponentType} from 'preact';
import {useEffect, useState} from 'preact/hooks';
import {Spinner, Trouble} from './components/controls';

export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [, setReady] = useState(loaded !== null);
    const [failed, setFailed] = useState(false);
    const begin = () => {
      setFailed(false);
      load().then(component => {
        loaded = component;
        setReady(true);
      }, () => setFailed(true));
    };
    useEffect(() => {
      if (!loaded) begin();
    }, []);
    if (failed) return <main class="main"><Trouble text="This part of the page did not load." retry={begin} /></main>;
    if (!loaded) return <main class="main"><div class="view-loading"><Spinner label="Loading" /></div></main>;
    const Component: any = loaded;
    return <Component {...props} />;
  };
}

const sheets = new Map<string, Promise<void>>();

// Loads a style sheet of this server, once; what waits for it is then laid out right from the beginning.
export function loadStyle(href: string): Promise<void> {
  const known = sheets.get(href);
  if (known) return known;
  const loading = new Promise<void>((resolve, reject) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = href;
    link.onload = () => resolve();
    link.onerror = () => {
      link.remove();
      sheets.delete(href);
      reject(new Error(`${href} did not load`));
    };
    document.head.append(link);
  });
  sheets.set(href, loading);
  return loading;
}
