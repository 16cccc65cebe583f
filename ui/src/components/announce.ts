/** Words for assistive technology and, for a few seconds, at the foot of the page: results of the user's own actions. */
import { useSyncExternalStore } from "react";

export interface Announcement {
  readonly id: number;
  readonly text: string;
  /** `assertive` is for critical and high alerts alone. */
  readonly urgency: "polite" | "assertive";
}

let current: Announcement | null = null;
let count = 0;
let timer = 0;
const SHOWN_MS = 6_000;
const listeners = new Set<() => void>();

function set(next: Announcement | null): void {
  current = next;
  for (const listener of [...listeners]) listener();
}

/** Say the result of an action: "Job 01c7 is cancelled." */
export function announce(text: string, urgency: Announcement["urgency"] = "polite"): void {
  window.clearTimeout(timer);
  count += 1;
  set({ id: count, text, urgency });
  timer = window.setTimeout(() => set(null), SHOWN_MS);
}

export function useAnnouncement(): Announcement | null {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
}
