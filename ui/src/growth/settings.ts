// A recipe's table as rows that can be edited, and what was edited as `set` pairs.

export interface Setting {
  key: string;  // "rl.lr"
  table: string;
  value: string;  // as TOML writes it
}

type Scalar = string | number | boolean;

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

// JSON's texts, numbers and lists of them are TOML's too.
function toml(value: Scalar | Scalar[]): string {
  return JSON.stringify(value);
}

export function settingsOf(tree: Record<string, unknown>, table = ''): Setting[] {
  const rows: Setting[] = [];
  const tables: Setting[] = [];
  for (const [name, value] of Object.entries(tree)) {
    const key = table ? `${table}.${name}` : name;
    if (isScalar(value) || (Array.isArray(value) && value.every(isScalar))) rows.push({key, table, value: toml(value)});
    else if (value !== null && typeof value === 'object' && !Array.isArray(value)) tables.push(...settingsOf(value as Record<string, unknown>, key));
  }
  return [...rows, ...tables];
}

// Texts may be written without their quotes: what is no TOML is a text to the trainer.
export function setPairs(settings: Setting[], edited: Record<string, string>, extra: string): string[] {
  const changed = settings.filter(({key, value}) => edited[key] !== undefined && edited[key]!.trim() !== value)
      .map(({key}) => `${key}=${edited[key]!.trim()}`);
  return [...changed, ...extra.split('\n').map(line => line.trim()).filter(line => line)];
}

// NAME, or the first of NAME-2, NAME-3, ... that is free.
export function freeName(name: string, taken: Set<string>): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[.-]+/, '') || 'run';
  if (!taken.has(plain)) return plain;
  for (let i = 2;; ++i) {
    if (!taken.has(`${plain}-${i}`)) return `${plain}-${i}`;
  }
}
