// A text token by token, coloured by how sure the model was, or by how much the step pushed at each.
export type Colouring = 'none' | 'logprob' | 'advantage' | 'push';

export interface Token {
  text: string;
  logprob: number;
}

// Buckets of colour, so that style sheets hold all colours and a text is a few classes.
const kBuckets = 6;

// -log p from 0 (sure) to 3 and more (five in a hundred).
function surprise(logprob: number): number {
  return Math.min(kBuckets, Math.floor(-logprob / 0.5));
}

// The update's pull at a token: advantage x (1 - p), the gradient of its own logit.
function pull(advantage: number, logprob: number): number {
  return advantage * (1 - Math.exp(logprob));
}

function signed(value: number): string {
  const size = Math.min(kBuckets, Math.ceil(Math.abs(value) * 3));
  return size === 0 ? '' : value > 0 ? `up${size}` : `down${size}`;
}

export function tokenClass(token: Token, colouring: Colouring, advantage: number): string {
  if (colouring === 'logprob') {
    const bucket = surprise(token.logprob);
    return bucket > 0 ? `odd${bucket}` : '';
  }
  if (colouring === 'advantage') return signed(advantage);
  if (colouring === 'push') return signed(pull(advantage, token.logprob));
  return '';
}

function title(token: Token, advantage: number | null): string {
  const p = Math.exp(token.logprob);
  const sure = `log-prob ${token.logprob.toFixed(3)}, ${p > 0.995 ? '~100' : (100 * p).toFixed(1)} %`;
  return advantage === null ? sure : `${sure}; push ${pull(advantage, token.logprob).toFixed(3)}`;
}

// Untrusted text: nodes of text and nothing else. Neighbours of one class are one element.
export function TokenText({tokens, colouring, advantage}: {
  tokens: Token[]; colouring: Colouring; advantage: number | null;
}) {
  return (
    <>
      {tokens.map((token, i) => {
        if (token.text === '') return i === tokens.length - 1 ? <span key={i} class="g-end" title={`end of the answer: ${title(token, advantage)}`}>end</span> : null;
        if (colouring === 'none') return token.text;
        return <span key={i} class={`g-token ${tokenClass(token, colouring, advantage ?? 0)}`} title={title(token, advantage)}>{token.text}</span>;
      })}
    </>
  );
}

// The tokens of `text` from character `begin` to `end`: a thought, or what follows it.
export function slice(tokens: Token[], begin: number, end: number): Token[] {
  const out: Token[] = [];
  let at = 0;
  for (const token of tokens) {
    const from = Math.max(begin, at);
    const to = Math.min(end, at + token.text.length);
    if (to > from) out.push({...token, text: token.text.slice(from - at, to - at)});
    else if (token.text === '' && at === end && end > begin) out.push(token);
    at += token.text.length;
  }
  return out;
}

export function Legend({colouring}: {colouring: Colouring}) {
  if (colouring === 'none') return null;
  const swatch = (name: string) => <span key={name} class={`g-swatch ${name}`} />;
  return (
    <p class="g-legend">
      {colouring === 'logprob' ?
          <>sure <span aria-hidden="true">{['odd1', 'odd2', 'odd3', 'odd4', 'odd5', 'odd6'].map(swatch)}</span> surprising</> :
          <>less likely from now on <span aria-hidden="true">{['down6', 'down4', 'down2', 'up2', 'up4', 'up6'].map(swatch)}</span> more likely</>}
    </p>
  );
}
