/** Live runs: what is wrong, where in the field, since when. */
import { type RawSearch } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = false;

/** Search parameters of the list: read without trust, unknown ones dropped. */
export function readListSearch(_raw: RawSearch) {
  return {};
}

/** Search parameters of one of them. */
export function readRunSearch(_raw: RawSearch) {
  return {};
}
