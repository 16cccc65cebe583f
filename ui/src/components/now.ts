/** One clock for all ages on the page, which ticks once a second and stands while the tab is hidden. */
import { useSyncExternalStore } from "react";

let now = Date.now();
let timer = 0;
const listeners = new Set<() => void>();

function tick(): void {
  now = Date.now();
  for (const listener of [...listeners]) listener();
}

function follow(): void {
  window.clearInterval(timer);
  if (document.visibilityState === "visible" && listeners.size > 0) {
    tick();
    timer = window.setInterval(tick, 1000);
  }
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) document.addEventListener("visibilitychange", follow);
  listeners.add(listener);
  if (listeners.size === 1) window.setTimeout(follow, 0);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      document.removeEventListener("visibilitychange", follow);
      window.clearInterval(timer);
    }
  };
}

/** Return what is made of the time in milliseconds since 1970; a component is drawn anew where that has become other. */
export function useNowAs<Value extends string | number | boolean>(make: (now: number) => Value): Value {
  return useSyncExternalStore(subscribe, () => make(now));
}

/** Return the time in milliseconds since 1970, anew each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now);
}
