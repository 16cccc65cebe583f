/** Scenarios: what could go wrong, and how to start it. */
import { defined, type RawSearch, text } from "@/lib/search";

export const isShown = true;

/** Search parameters: the scenario that is opened. */
export function readSearch(raw: RawSearch) {
  return defined({ name: text(raw["name"]) });
}
