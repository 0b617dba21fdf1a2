// A run begun from a recipe, with any of its settings changed.
import {useEffect, useMemo, useState} from 'preact/hooks';
import {Button, Spinner, Trouble} from '../components/controls';
import {Icon} from '../components/icons';
import {go, route} from '../router';
import {listRecipes, listRuns, startRun} from './data';
import {runLink} from './RunsPage';
import {freeName, type Setting, setPairs, settingsOf} from './settings';
import type {Recipe} from './types';

const kKeepAll = 'checkpoint.keep_last=10000';

export function NewRunPage() {
  const [recipes, setRecipes] = useState<Recipe[] | null>(null);
  const [taken, setTaken] = useState(new Set<string>());
  const [failure, setFailure] = useState('');
  useEffect(() => {
    Promise.all([listRecipes(), listRuns()]).then(([found, runs]) => {
      setRecipes(found.recipes);
      setTaken(new Set(runs.runs.map(run => run.name)));
    }, error => setFailure((error as Error).message));
  }, []);
  return (
    <>
      <nav class="g-crumbs" aria-label="Where this is"><a href="#/growth"><Icon name="left" />All runs</a></nav>
      <header class="g-head"><h1>New run</h1></header>
      {failure && <Trouble text={failure} />}
      {!recipes && !failure && <Spinner label="Reading the recipes" />}
      {recipes && recipes.length === 0 &&
        <p class="g-empty">There are no recipes where the server looks for them. Start it where a <code>recipes</code> folder lies, or with <code>--recipes FOLDER</code>.</p>}
      {recipes && recipes.length > 0 && <Form recipes={recipes} taken={taken} />}
    </>
  );
}

function Form({recipes, taken}: {recipes: Recipe[]; taken: Set<string>}) {
  const wanted = route.value.query.get('recipe');
  const [chosen, setChosen] = useState((recipes.find(recipe => recipe.name === wanted) ?? recipes.find(recipe => recipe.name === 'parity') ?? recipes[0]!).name);
  const recipe = recipes.find(one => one.name === chosen)!;
  const settings = useMemo(() => settingsOf(recipe.tree ?? {}), [recipe]);
  const [name, setName] = useState<string | null>(null);
  const [edited, setEdited] = useState<Record<string, string>>({});
  const [extra, setExtra] = useState('');
  const [keepAll, setKeepAll] = useState(true);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const shownName = name ?? freeName(recipe.name, taken);
  const set = setPairs(settings, edited, extra);
  const start = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setFailure('');
    try {
      const own = set.some(pair => pair.startsWith('checkpoint.keep_last='));
      const run = await startRun(recipe.name, shownName.trim(), keepAll && !own ? [...set, kKeepAll] : set);
      go(runLink(run.name));
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <form class="g-form" onSubmit={start}>
      <label class="g-field"><span>Recipe</span>
        <select value={chosen} onChange={event => {
          setChosen(event.currentTarget.value);
          setEdited({});
          setFailure('');
        }}>
          {recipes.map(one => <option key={one.name} value={one.name}>{one.name}</option>)}
        </select>
      </label>
      {recipe.about && <p class="g-about">{recipe.about}</p>}
      {recipe.problem && <Trouble text={recipe.problem} />}
      <label class="g-field"><span>Name of the run</span>
        <input type="text" value={shownName} required maxLength={100} pattern="[A-Za-z0-9_][A-Za-z0-9._\-]*" title="letters, digits, dots, dashes and underscores"
               spellcheck={false} autocomplete="off" onInput={event => setName(event.currentTarget.value)} />
      </label>
      <label class="g-control"><input type="checkbox" checked={keepAll} onChange={event => setKeepAll(event.currentTarget.checked)} />
        Keep every checkpoint, so that each can be asked later</label>
      <Settings settings={settings} edited={edited} onEdit={(key, value) => setEdited({...edited, [key]: value})} />
      <details class="g-more">
        <summary>Settings that the recipe does not have</summary>
        <label class="g-field"><span>One a line, as <code>rl.beta=0.01</code></span>
          <textarea rows={3} value={extra} spellcheck={false} onInput={event => setExtra(event.currentTarget.value)} />
        </label>
      </details>
      {failure && <Trouble text={failure} />}
      <div class="g-form-end">
        <Button type="submit" kind="primary" icon="growth" disabled={busy || recipe.tree === null}>{busy ? 'Starting' : 'Start training'}</Button>
        {set.length > 0 && <code class="g-set">{set.join('  ')}</code>}
      </div>
    </form>
  );
}

function Settings({settings, edited, onEdit}: {
  settings: Setting[]; edited: Record<string, string>; onEdit: (key: string, value: string) => void;
}) {
  const tables = [...new Set(settings.map(setting => setting.table))];
  return (
    <div class="g-settings">
      {tables.map(table => {
        const rows = settings.filter(setting => setting.table === table);
        const changed = rows.filter(({key, value}) => edited[key] !== undefined && edited[key] !== value).length;
        return (
          <details key={table} class="g-more">
            <summary>{table || 'General'}{changed > 0 && <span class="g-changed">{changed} changed</span>}</summary>
            <div class="g-rows">
              {rows.map(({key, value}) => (
                <label key={key} class={`g-row ${edited[key] !== undefined && edited[key] !== value ? 'changed' : ''}`}>
                  <span>{table ? key.slice(table.length + 1) : key}</span>
                  <input type="text" value={edited[key] ?? value} spellcheck={false} autocomplete="off" aria-label={key}
                         onInput={event => onEdit(key, event.currentTarget.value)} />
                </label>
              ))}
            </div>
          </details>
        );
      })}
    </div>
  );
}
