// The growth view: #/growth, #/growth/run/NAME, #/growth/compare/A/B, #/growth/new.
import {route} from '../router';
import {NewRunPage} from './NewRunPage';
import {ComparePage, RunPage} from './RunPage';
import {RunsPage} from './RunsPage';

function Page() {
  const [, what, ...rest] = route.value.parts;
  if (what === 'run' && rest[0]) return <RunPage key={rest[0]} name={rest[0]} />;
  if (what === 'compare' && rest.length > 0) return <ComparePage key={rest.join('/')} names={rest} />;
  if (what === 'new') return <NewRunPage />;
  return <RunsPage />;
}

export function GrowthView() {
  return <div class="growth"><Page /></div>;
}
