/** When a user last said "I have looked": what ended before that needs no look any more. Kept by this browser. */

const DAY_MS = 86_400_000;

function place(userId: string): string {
  return `grid-looked:${userId}`;
}

export interface Looked {
  /** Milliseconds since 1970; a day ago where nothing was said since. */
  readonly at: number;
  readonly isSaid: boolean;
}

export function readLooked(userId: string, now = Date.now()): Looked {
  const said = Number(localStorage.getItem(place(userId)) ?? Number.NaN);
  const isSaid = said <= now && said > now - DAY_MS;
  return { at: isSaid ? said : now - DAY_MS, isSaid };
}

export function saveLooked(userId: string, moment = Date.now()): void {
  localStorage.setItem(place(userId), String(moment));
}
