/** Two jobs beside each other: what differs in inputs, in results, and where in the field. */
import { defined, type RawSearch, text } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = false;

/** The two jobs, as `?a=…&b=…`. */
export function readSearch(raw: RawSearch) {
  return defined({ a: text(raw["a"]), b: text(raw["b"]) });
}
