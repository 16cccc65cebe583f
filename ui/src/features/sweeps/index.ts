/** Sweeps: how far, how many failed and where, which points are best. */
import { choice, defined, type RawSearch, text, texts } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

export const TABS = ["points", "fields", "table"] as const;

/** The most points whose places are kept in the address. */
export const MOST_IN_ADDRESS = 50;

/** Search parameters of the list: read without trust, unknown ones dropped. */
export function readListSearch(raw: RawSearch) {
  return defined({ sim: text(raw["sim"]), q: text(raw["q"]) });
}

/** What is shown of one sweep: `?tab=table&x=params.length&y=metrics.largest_error&why=diverged&points=3,17`. */
export function readSweepSearch(raw: RawSearch) {
  return defined({
    tab: choice(raw["tab"], TABS),
    x: text(raw["x"]),
    y: text(raw["y"]),
    sort: text(raw["sort"]),
    why: texts(raw["why"]),
    points: texts(raw["points"]),
    field: text(raw["field"]),
  });
}
