/** When a user last said "I have looked": what ended before that needs no look any more. Kept by this browser. */

const DAY_MS = 86_400_000;

function place(userId: string): string {
  return `grid-looked:${userId}`;
}

/** Return the moment in milliseconds since 1970; a day ago where nothing was said since. */
export function readLooked(userId: string, now = Date.now()): number {
  const said = Number(localStorage.getItem(place(userId)) ?? Number.NaN);
  return Number.isFinite(said) && said <= now ? Math.max(said, now - DAY_MS) : now - DAY_MS;
}

export function saveLooked(userId: string, moment = Date.now()): void {
  localStorage.setItem(place(userId), String(moment));
}
