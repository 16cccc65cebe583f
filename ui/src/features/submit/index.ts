/** Submission of jobs and sweeps: is it valid, how many points, how long will it take. */
import { choice, defined, type RawSearch, text } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

export const TABS = ["form", "json", "curl", "cli", "python"] as const;

/** Search parameters of its routes: read without trust, unknown ones dropped. */
export function readSearch(raw: RawSearch) {
  return defined({ sim: text(raw["sim"]), tab: choice(raw["tab"], TABS) });
}
