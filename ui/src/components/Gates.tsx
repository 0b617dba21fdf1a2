// What stands before the app: the server's key, the passphrase of an encrypted store, a server that does not answer.
import {useState} from 'preact/hooks';
import {ApiError, fetchJson, gate, setKey} from '../api';
import {boot, bootError, say, status} from '../store';
import {Button, Dialog, Trouble} from './controls';
import {Logo} from './Sidebar';

export function Gate() {
  if (gate.value === 'key') return <KeyPrompt />;
  if (gate.value === 'passphrase') return <Unlock />;
  return (
    <main class="gate">
      <Logo />
      <h1>The server does not answer</h1>
      <Trouble text={bootError.value ?? ''} retry={() => void boot()} />
    </main>
  );
}

function SecretForm({label, hint, button, act}: {
  label: string; hint: string; button: string; act: (secret: string) => Promise<string | null>;
}) {
  const [secret, setSecret] = useState('');
  const [trouble, setTrouble] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  return (
    <form class="gate-form" onSubmit={async event => {
      event.preventDefault();
      setBusy(true);
      setTrouble(await act(secret));
      setBusy(false);
    }}>
      <label>
        <span>{label}</span>
        <input class="field" type="password" autocomplete="off" spellcheck={false} value={secret} autofocus
               onInput={event => setSecret(event.currentTarget.value)} />
      </label>
      {trouble ? <p class="hint warn" role="alert">{trouble}</p> : <p class="hint">{hint}</p>}
      <Button kind="primary" type="submit" disabled={!secret || busy}>{button}</Button>
    </form>
  );
}

function KeyPrompt() {
  return (
    <main class="gate">
      <Logo />
      <h1>This server asks for its key</h1>
      <SecretForm label="Key" button="Open" hint="It was printed when the server was started. This tab keeps it until it is closed."
                  act={async key => {
                    setKey(key);
                    await boot();
                    if (gate.value !== 'key') return bootError.value;
                    setKey('');
                    return 'That is not this server\'s key.';
                  }} />
    </main>
  );
}

function Unlock() {
  return (
    <main class="gate">
      <Logo />
      <h1>Your conversations are encrypted</h1>
      <SecretForm label="Passphrase" button="Unlock" hint="Without it nobody can read them, and nobody can bring it back."
                  act={async passphrase => {
                    try {
                      await fetchJson('/api/unlock', {body: {passphrase}});
                    } catch (error) {
                      return error instanceof ApiError && error.status === 403 ? 'That is not the passphrase.' :
                                                                                (error as Error).message;
                    }
                    await boot();
                    return bootError.value;
                  }} />
    </main>
  );
}

export function EncryptDialog({close}: {close: () => void}) {
  const [first, setFirst] = useState('');
  const [second, setSecond] = useState('');
  const [trouble, setTrouble] = useState<string | null>(null);
  const mismatch = second !== '' && first !== second;
  return (
    <Dialog title="Encrypt conversations" onClose={close} class="small">
      <form class="gate-form" onSubmit={async event => {
        event.preventDefault();
        try {
          await fetchJson('/api/encrypt', {body: {passphrase: first}});
          if (status.value) status.value = {...status.value, encrypted: true};
          close();
          say('Your conversations are encrypted now.');
        } catch (error) {
          setTrouble((error as Error).message);
        }
      }}>
        <p class="hint">From the next start on, the server asks for this passphrase before anything can be read. It cannot be brought back.</p>
        <label><span>Passphrase</span>
          <input class="field" type="password" autocomplete="new-password" value={first}
                 onInput={event => setFirst(event.currentTarget.value)} /></label>
        <label><span>Once more</span>
          <input class="field" type="password" autocomplete="new-password" value={second}
                 onInput={event => setSecond(event.currentTarget.value)} /></label>
        {(mismatch || trouble) && <p class="hint warn" role="alert">{trouble ?? 'The two differ.'}</p>}
        <div class="row end">
          <Button kind="quiet" onClick={close}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={first.length < 8 || first !== second}>Encrypt</Button>
        </div>
      </form>
    </Dialog>
  );
}
