/** Ends of a scale that the viewer has locked, for each quantity: they hold for the next job too, until they are let go. */
import { useMemo, useSyncExternalStore } from "react";

export type Ends = readonly [number, number];

const KEY = "grid-scale-locks"; // in sessionStorage
const listeners = new Set<() => void>();

/** Write ends as in the address: `0:100`. */
export function writeEnds([low, high]: Ends): string {
  return `${low}:${high}`;
}

/** Read ends from the address; undefined for what is none. */
export function readEnds(text: string | undefined): Ends | undefined {
  const ends = text?.split(":").map((part) => (part.trim() === "" ? Number.NaN : Number(part))) ?? [];
  const [low, high] = ends;
  if (ends.length !== 2 || low === undefined || high === undefined) return undefined;
  return Number.isFinite(low) && Number.isFinite(high) && low < high ? [low, high] : undefined;
}

/** The ends that are locked for a quantity such as `temperature degC`. */
export function lockedEnds(quantity: string, storage: Pick<Storage, "getItem"> = sessionStorage): Ends | undefined {
  return readEnds(readAll(storage)[quantity]);
}

/** Lock the ends of a quantity, or let them go. */
export function lockEnds(quantity: string, ends: Ends | undefined, storage: Pick<Storage, "getItem" | "setItem"> = sessionStorage): void {
  const all = Object.entries(readAll(storage)).filter(([name]) => name !== quantity);
  if (ends !== undefined) all.push([quantity, writeEnds(ends)]);
  storage.setItem(KEY, JSON.stringify(Object.fromEntries(all)));
  for (const listener of [...listeners]) listener();
}

/** The locked ends of a quantity, anew when they change. */
export function useLockedEnds(quantity: string): Ends | undefined {
  const text = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => readAll(sessionStorage)[quantity],
  );
  return useMemo(() => readEnds(text), [text]);
}

function readAll(storage: Pick<Storage, "getItem">): Record<string, string> {
  try {
    const read: unknown = JSON.parse(storage.getItem(KEY) ?? "{}");
    return typeof read === "object" && read !== null ? (read as Record<string, string>) : {};
  } catch {
    return {};
  }
}
