/** Alert rules and their tester. */
import { defined, type RawSearch, text } from "@/lib/search";

export const isShown = true;

/** Search parameters: the rule that is edited (`new` for another one), and the run on which it is tried. */
export function readSearch(raw: RawSearch) {
  return defined({ id: text(raw["id"]), run: text(raw["run"]) });
}
