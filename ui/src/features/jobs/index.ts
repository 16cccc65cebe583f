/** Jobs: which, in which state, and which need me; one job: did it run, can it be trusted, what does it look like. */
import { choice, choices, defined, type RawSearch, text, texts } from "@/lib/search";
import { JOB_STATES } from "@/components/states";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

export const TABS = ["result", "field", "log", "files", "inputs"] as const;

/** Filters of the list, as `?status=failed,timed_out&sim=heat&label=team:a&q=01c7`. */
export function readListSearch(raw: RawSearch) {
  return defined({
    status: choices(raw["status"], JOB_STATES),
    reason: texts(raw["reason"]),
    sim: text(raw["sim"]),
    label: texts(raw["label"]),
    q: text(raw["q"]),
    from: text(raw["from"]),
    to: text(raw["to"]),
  });
}

/** What is shown of one job. */
export function readJobSearch(raw: RawSearch) {
  return defined({ tab: choice(raw["tab"], TABS), field: text(raw["field"]), time: text(raw["time"]) });
}
