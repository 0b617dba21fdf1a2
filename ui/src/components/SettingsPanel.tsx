// The settings of one chat. An empty field means: the model's own.
import {useState} from 'preact/hooks';
import type {Settings} from '../types';
import {Button, Dialog} from './controls';

type NumberKey = 'temperature' | 'top_p' | 'top_k' | 'min_p' | 'max_tokens' | 'think_budget' | 'seed' | 'samples';

interface NumberField {
  key: NumberKey;
  label: string;
  hint: string;
  min: number;
  max: number;
  whole: boolean;
}

const kFields: NumberField[] = [
  {key: 'temperature', label: 'Temperature', hint: '0 always takes the likeliest token', min: 0, max: 2, whole: false},
  {key: 'top_p', label: 'Top-p', hint: 'only the likeliest tokens, up to this share', min: 0, max: 1, whole: false},
  {key: 'top_k', label: 'Top-k', hint: 'only this many of the likeliest; 0 is all', min: 0, max: 1_000_000, whole: true},
  {key: 'min_p', label: 'Min-p', hint: 'no token less likely than this share of the best', min: 0, max: 1, whole: false},
  {key: 'max_tokens', label: 'Most tokens', hint: 'thought and answer together', min: 1, max: 10_000_000, whole: true},
  {key: 'think_budget', label: 'Thought budget', hint: 'tokens until the thought is ended', min: 0, max: 10_000_000, whole: true},
  {key: 'seed', label: 'Seed', hint: 'the same seed gives the same answer', min: 0, max: 2 ** 53 - 1, whole: true},
  {key: 'samples', label: 'Samples', hint: 'answers that vote', min: 1, max: 64, whole: true},
];

function problem(field: NumberField, text: string): string | null {
  if (text.trim() === '') return null;
  const value = Number(text);
  if (!Number.isFinite(value)) return 'not a number';
  if (value < field.min || value > field.max) return `from ${field.min} to ${field.max}`;
  return field.whole && !Number.isInteger(value) ? 'a whole number' : null;
}

function textOf(value: unknown): string {
  return value == null ? '' : String(value);
}

interface Props {
  settings: Settings;
  save: (settings: Settings) => void;
  close: () => void;
}

export function SettingsPanel({settings, save, close}: Props) {
  const [system, setSystem] = useState(settings.system ?? '');
  const [verify, setVerify] = useState(settings.verify ?? 'majority');
  const [texts, setTexts] = useState<Record<string, string>>(
      () => Object.fromEntries(kFields.map(field => [field.key, textOf(settings[field.key])])));
  const wrong = kFields.some(field => problem(field, texts[field.key] ?? '') !== null);
  const submit = (event: Event) => {
    event.preventDefault();
    if (wrong) return;
    const next: Settings = {...settings, system: system.trim() === '' ? null : system, verify};
    for (const {key} of kFields) next[key] = texts[key]?.trim() ? Number(texts[key]) : null;
    if (next.think_budget !== null && next.thinking === false) next.thinking = null;
    save(next);
    close();
  };
  return (
    <Dialog title="Settings of this chat" onClose={close}>
      <form class="settings" onSubmit={submit}>
        <label class="settings-wide">
          <span>System prompt</span>
          <textarea class="field" rows={4} value={system} placeholder="How the model shall behave in this chat"
                    onInput={event => setSystem(event.currentTarget.value)} />
        </label>
        <div class="settings-grid">
          {kFields.map(field => (
            <NumberInput key={field.key} field={field} text={texts[field.key] ?? ''}
                         onText={text => setTexts({...texts, [field.key]: text})} />
          ))}
          <label>
            <span>Answers agree when</span>
            <select class="field" value={verify} onChange={event => setVerify(event.currentTarget.value as 'majority' | 'math')}>
              <option value="majority">the text is the same</option>
              <option value="math">equal as mathematics</option>
            </select>
          </label>
        </div>
        <div class="row end">
          <Button kind="quiet" onClick={() => {
            setSystem('');
            setTexts({});
            setVerify('majority');
          }}>Back to the model's own</Button>
          <Button kind="primary" type="submit" disabled={wrong}>Save</Button>
        </div>
      </form>
    </Dialog>
  );
}

function NumberInput({field, text, onText}: {field: NumberField; text: string; onText: (text: string) => void}) {
  const trouble = problem(field, text);
  return (
    <label>
      <span>{field.label}</span>
      <input class="field" inputMode="decimal" value={text} placeholder={field.key === 'samples' ? '1' : "the model's own"} aria-invalid={trouble !== null}
             onInput={event => onText(event.currentTarget.value)} />
      <span class={`hint ${trouble ? 'warn' : ''}`}>{trouble ?? field.hint}</span>
    </label>
  );
}
