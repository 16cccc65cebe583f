/** Two jobs beside each other: what differs in inputs, in results, and where in the field. */
import { defined, integer, type RawSearch, text } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

const MOST_TIMES = 99_999;

/** The two jobs, the field and the place of its time, as `?a=…&b=…&field=temperature&time=3`. */
export function readSearch(raw: RawSearch) {
  return defined({ a: text(raw["a"]), b: text(raw["b"]), field: text(raw["field"]), time: integer(raw["time"], 0, MOST_TIMES) });
}
