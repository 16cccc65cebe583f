/** The parts of the service, and who waits for what. */
import { choice, defined, type RawSearch, text } from "@/lib/search";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

export const TABS = ["service", "audit"] as const;

/** The tab, and filters of the audit log, as `?tab=audit&actor=admin&action=job.cancel&subject=job:01c7...`. */
export function readSearch(raw: RawSearch) {
  return defined({
    tab: choice(raw["tab"], TABS),
    actor: text(raw["actor"]),
    action: text(raw["action"]),
    subject: text(raw["subject"]),
  });
}
