/** Keys of the page. What is open registers its keys; `?` lists those that act now; none acts inside a field. */
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Key {
  /** The key as `event.key` names it, as in `n`, `Enter`, `?`, two after each other: `g j`, or, within fields too: `Ctrl+Enter`. */
  readonly keys: string;
  /** What it does, for the list: "New job". */
  readonly does: string;
  /** Absent: it is listed, and whatever has the focus acts on it. */
  readonly run?: (event: KeyboardEvent) => void;
}

const SEQUENCE_MS = 1_200; // between the two keys of a sequence
const SWITCH = "grid-single-keys"; // in localStorage; "off" where single letters shall not act (WCAG 2.1.4)

type Entry = { readonly current: readonly Key[] };
const entries: Entry[] = [];
let first: { key: string; at: number } | null = null;
const listeners = new Set<() => void>();
let shown: readonly Key[] = [];

function changed(): void {
  const seen = new Set<string>();
  shown = [...entries].reverse().flatMap((entry) =>
    entry.current.filter(({ keys }) => !seen.has(keys) && seen.add(keys)),
  );
  for (const listener of [...listeners]) listener();
}

/** Let these keys act while the component is mounted; what is mounted last goes first. */
export function useKeys(keys: readonly Key[]): void {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  const names = keys.map((key) => `${key.keys} ${key.does}`).join("\n");
  useEffect(() => {
    // Whoever lists or finds a key before the next render still runs what the component does now.
    const entry: Entry = {
      get current() {
        return latest.current.map((key, index) => ({ ...key, ...(key.run && { run: (event: KeyboardEvent) => latest.current[index]?.run?.(event) }) }));
      },
    };
    entries.push(entry);
    changed();
    return () => {
      entries.splice(entries.indexOf(entry), 1);
      changed();
    };
  }, []);
  useEffect(() => changed(), [names]); // other keys act now, as where an alert has come that can be acknowledged
}

/** Return the keys that act now, for the list behind `?`. */
export function useShownKeys(): readonly Key[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
}

export function areSingleKeysOn(): boolean {
  return localStorage.getItem(SWITCH) !== "off";
}

export function switchSingleKeys(isOn: boolean): void {
  if (isOn) localStorage.removeItem(SWITCH);
  else localStorage.setItem(SWITCH, "off");
}

/** Tell whether a key belongs to the field that has the focus, or to a dialog over the page. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  const typed = target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]");
  return typed !== null || target.closest("[role=listbox], [role=menu]") !== null;
}

/** Find the key that an event means, and remember the first half of a sequence. */
export function findKey(event: KeyboardEvent, keys: readonly Key[], at: number): Key | undefined {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.defaultPrevented) {
    return keys.find((key) => key.run !== undefined && key.keys === `Ctrl+${event.key}`);
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return undefined;
  const before = first !== null && at - first.at < SEQUENCE_MS ? `${first.key} ` : "";
  const acting = keys.filter((key) => key.run !== undefined);
  const found = acting.find((key) => key.keys === before + event.key);
  first = null;
  if (found !== undefined) return found;
  if (acting.some((key) => key.keys.startsWith(`${event.key} `))) {
    first = { key: event.key, at };
    return undefined;
  }
  return before === "" ? undefined : acting.find((key) => key.keys === event.key);
}

/** Listen to the keys of the whole page; mounted once, by the shell. */
export function listenToKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (!areSingleKeysOn() && event.key.length === 1 && event.key !== "?") return;
    if (event.key !== "Escape" && document.querySelector("[role=dialog]") !== null) return;
    const key = findKey(event, shown, Date.now());
    if (key === undefined) return;
    event.preventDefault();
    key.run?.(event);
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}
