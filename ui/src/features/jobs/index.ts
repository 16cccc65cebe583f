/** Jobs: which, in which state, and which need me; one job: did it run, can it be trusted, what does it look like. */
import { choice, choices, defined, integer, type RawSearch, real, text, texts } from "@/lib/search";
import { JOB_STATES } from "@/components/states";

/** Whether the feature has its page; until then its route is unknown, and the rail has no entry. */
export const isShown = true;

export const TABS = ["result", "field", "log", "files", "inputs"] as const;
export type Tab = (typeof TABS)[number];

export const VERDICTS = ["passed", "failed", "not_applicable"] as const;

/** Times that are chosen by their length before now. */
export const RECENT = { "1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 } as const;

/** Filters of the list, as `?status=failed,timed_out&sim=heat&label=team:a&q=01c7`. */
export function readListSearch(raw: RawSearch) {
  return defined({
    status: choices(raw["status"], JOB_STATES),
    reason: texts(raw["reason"]),
    verdict: choices(raw["verdict"], VERDICTS),
    sim: text(raw["sim"]),
    label: texts(raw["label"]),
    q: text(raw["q"]),
    from: text(raw["from"]),
    to: text(raw["to"]),
    sweep: text(raw["sweep"]),
  });
}

/** What is shown of one job. */
export function readJobSearch(raw: RawSearch) {
  return defined({
    tab: choice(raw["tab"], TABS),
    field: text(raw["field"]),
    time: integer(raw["time"], 0, 65_535),
    scale: text(raw["scale"]),
    iso: real(raw["iso"]),
  });
}
