// A view whose code loads when it is first shown.
import type {ComponentChildren, ComponentType} from 'preact';
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

export function Suspense({children}: {children: ComponentChildren}) {
  return <>{children}</>;
}
