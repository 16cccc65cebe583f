/** Users, and one's own sessions. */
import { type RawSearch } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

/** Search parameters of its routes: read without trust, unknown ones dropped. */
export function readSearch(_raw: RawSearch) {
  return {};
}
