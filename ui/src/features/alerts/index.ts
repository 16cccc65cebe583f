/** Alerts: what is wrong now, and who looks at it. */
import { choice, choices, defined, flag, type RawSearch, text } from "@/lib/search";

export const isShown = true;
export const SEVERITIES = ["low", "medium", "high", "critical"] as const;
export const TABS = ["active", "ended", "silences"] as const;

/** Search parameters: which are listed, of which run and severity, and the one that is explained. */
export function readSearch(raw: RawSearch) {
  return defined({
    tab: choice(raw["tab"], TABS), run: text(raw["run"]), severity: choices(raw["severity"], SEVERITIES),
    all: flag(raw["all"]), id: text(raw["id"]),
  });
}

export type AlertSearch = ReturnType<typeof readSearch>;
