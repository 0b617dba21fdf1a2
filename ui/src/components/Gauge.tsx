// How much of the model's context the shown conversation fills.
import {count} from '../format';

export function Gauge({used, context}: {used: number; context: number}) {
  const share = Math.min(1, used / Math.max(1, context));
  const text = `${count(used)} of ${count(context)} tokens of context used`;
  return (
    <span class={`gauge ${share > 0.9 ? 'full' : ''}`} title={text} role="meter" aria-label="Context"
          aria-valuemin={0} aria-valuemax={context} aria-valuenow={used} aria-valuetext={text}>
      <svg viewBox="0 0 20 20" aria-hidden="true">
        <circle class="gauge-track" cx="10" cy="10" r="8" />
        <circle class="gauge-fill" cx="10" cy="10" r="8" pathLength={100} stroke-dasharray={`${share * 100} 100`} />
      </svg>
      <span class="gauge-text">{count(used)} / {count(context)}</span>
    </span>
  );
}
