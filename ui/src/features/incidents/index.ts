/** Incidents: what was done. */
import { choice, choices, defined, flag, type RawSearch } from "@/lib/search";

export const isShown = true;
export const STATES = ["open", "acknowledged", "resolved", "closed"] as const;
export const KINDS = ["all", "alerts", "commands", "people"] as const;

/** Search parameters of the list: states that are shown. */
export function readListSearch(raw: RawSearch) {
  return defined({ state: choices(raw["state"], STATES), all: flag(raw["all"]) });
}

/** Search parameters of one incident: which entries of its timeline are shown. */
export function readIncidentSearch(raw: RawSearch) {
  return defined({ kind: choice(raw["kind"], KINDS) });
}
