/** Live runs: what is wrong, where in the field, since when. */
import { choice, choices, defined, flag, integer, type RawSearch, real, text } from "@/lib/search";
import { RUN_STATES } from "./states";

export const isShown = true;

export const FIELDS = ["temperature", "stress", "utilisation", "damage", "state"] as const;
export type FieldName = (typeof FIELDS)[number];
export const TRENDS = ["temperature", "safety", "residual", "pace"] as const;
export type TrendName = (typeof TRENDS)[number];
const MOST_TICK = 10 ** 9;
const MOST_CELL = 2 ** 20;

/** Search parameters of the list: states that are shown. */
export function readListSearch(raw: RawSearch) {
  return defined({ state: choices(raw["state"], RUN_STATES), all: flag(raw["all"]) });
}

/**
 * Search parameters of one run: the field, the tick of the past that is shown, the ends of a locked scale, the trend,
 * the cells of the planes of a body of three axes, and the run that is shown beside it.
 */
export function readRunSearch(raw: RawSearch) {
  return defined({
    field: choice(raw["field"], FIELDS),
    tick: integer(raw["tick"], 0, MOST_TICK),
    low: real(raw["low"]),
    high: real(raw["high"]),
    trend: choice(raw["trend"], TRENDS),
    x: integer(raw["x"], 0, MOST_CELL),
    y: integer(raw["y"], 0, MOST_CELL),
    z: integer(raw["z"], 0, MOST_CELL),
    beside: text(raw["beside"]),
    alert: text(raw["alert"]),
  });
}

export type RunSearch = ReturnType<typeof readRunSearch>;
