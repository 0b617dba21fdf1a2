// The page: gates first, then the list of conversations beside the view that the address names.
import {render} from 'preact';
import {useEffect} from 'preact/hooks';
import {lazy, loadStyle} from './lazy';
import {gate} from './api';
import {Gate} from './components/Gates';
import {Spinner} from './components/controls';
import {Header} from './components/Header';
import {Sidebar} from './components/Sidebar';
import {Toast} from './components/Toast';
import {listenToKeys} from './keys';
import {route} from './router';
import {boot, bootError, spoken, status} from './store';
import './theme';
import {ChatView} from './views/ChatView';

const CompareView = lazy(() => import('./views/CompareView').then(module => module.CompareView));
const GrowthView = lazy(async () => {
  const [module] = await Promise.all([import('./growth/GrowthView'), loadStyle('/growth.css')]);
  return module.GrowthView;
});

function Growth() {
  useEffect(() => {
    document.title = 'Growth - aha';
  }, []);
  return (
    <main class="main">
      <Header bare><span class="spacer" /></Header>
      <div class="growth-frame"><GrowthView /></div>
    </main>
  );
}

function View() {
  const {parts} = route.value;
  if (parts[0] === 'growth') return <Growth />;
  if (parts[0] === 'compare') return <CompareView query={route.value.query} />;
  return <ChatView />;
}

function App() {
  const closed = gate.value !== 'open' || bootError.value !== null;
  return (
    <>
      {closed ? <Gate /> : status.value === null ? <main class="gate"><Spinner label="Opening" /></main> : (
        <div class="shell">
          <a class="skip" href="#composer" onClick={event => {
            event.preventDefault();
            document.getElementById('composer')?.focus();
          }}>To the message field</a>
          <Sidebar />
          <View />
        </div>
      )}
      <Toast />
      <div class="off-screen" role="status" aria-live="polite">{spoken.value}</div>
    </>
  );
}

listenToKeys();
render(<App />, document.getElementById('app')!);
void boot();
