import {toast} from '../store';
import {Button} from './controls';

export function Toast() {
  const now = toast.value;
  return (
    <div class="toast-place" role="status" aria-live="polite">
      {now && (
        <div class="toast">
          <span>{now.text}</span>
          {now.action && <Button kind="quiet" onClick={() => {
            now.action!.run();
            toast.value = null;
          }}>{now.action.label}</Button>}
        </div>
      )}
    </div>
  );
}
