// The models of this machine, those that fit first, each with what running it costs.
import {useState} from 'preact/hooks';
import {bytes, count, rate} from '../format';
import {loadModels, models, sayError} from '../store';
import type {Model} from '../types';
import {Popover} from './controls';
import {Icon} from './icons';

interface Props {
  value: string | null;
  onChange: (id: string) => void;
  label?: string;
  side?: 'up' | 'down';
}

export function ModelPicker({value, onChange, label = 'Model', side = 'down'}: Props) {
  return (
    <Popover label={`${label}: ${value ?? 'none'}`} class="picker" side={side}
             button={<><span class="picker-name">{value ?? 'Choose a model'}</span><Icon name="down" /></>}>
      {close => <ModelList value={value} choose={id => {
        onChange(id);
        close();
      }} />}
    </Popover>
  );
}

function ModelList({value, choose}: {value: string | null; choose: (id: string) => void}) {
  const [filter, setFilter] = useState('');
  useState(() => void loadModels().catch(sayError));
  const wanted = filter.trim().toLowerCase();
  const found = models.value.filter(model => model.id.toLowerCase().includes(wanted));
  const groups: [string, Model[]][] = [
    ['Fits this machine', found.filter(model => model.source === 'models' && model.fits)],
    ['From training runs', found.filter(model => model.source === 'run')],
    ['Too large for the free memory', found.filter(model => model.source === 'models' && !model.fits)],
  ];
  return (
    <div class="model-list">
      {models.value.length > 6 && (
        <input type="search" class="field" placeholder="Find a model" aria-label="Find a model" value={filter}
               onInput={event => setFilter(event.currentTarget.value)} />
      )}
      {models.value.length === 0 && (
        <p class="hint">There is no model yet. Get one in a terminal:
          <code>aha models pull HuggingFaceTB/SmolLM2-135M-Instruct</code></p>
      )}
      {models.value.length > 0 && found.length === 0 && <p class="hint">No model has “{filter}” in its name.</p>}
      {groups.filter(([, list]) => list.length > 0).map(([name, list]) => (
        <div role="group" aria-label={name} key={name}>
          <div class="group-name">{name}</div>
          {list.map(model => <ModelRow key={model.id} model={model} chosen={model.id === value} choose={choose} />)}
        </div>
      ))}
    </div>
  );
}

function ModelRow({model, chosen, choose}: {model: Model; chosen: boolean; choose: (id: string) => void}) {
  const facts = [
    model.parameters > 0 ? `${count(model.parameters)} parameters` : null,
    `${bytes(model.memory_bytes)} of memory`,
    `${count(model.context)} context`,
    model.tokens_per_second != null ? `about ${rate(model.tokens_per_second)}` : null,
    model.thinking === 'none' ? 'does not think' : null,
  ].filter(fact => fact !== null);
  return (
    <button type="button" class="model-row" aria-pressed={chosen} onClick={() => choose(model.id)}>
      <span class="model-row-name">
        {model.id}
        {model.loaded && <span class="badge">loaded</span>}
      </span>
      <span class="model-row-facts">{facts.join(' · ')}</span>
      {chosen && <Icon name="check" />}
    </button>
  );
}
