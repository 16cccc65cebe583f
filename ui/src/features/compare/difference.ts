/** Two jobs in words and numbers. Pure. */
import type { Schemas } from "@/api/client";
import { formatNumber, formatQuantity, MISSING, plural } from "@/lib/format";
import type { Json } from "@/lib/json";
import { differenceUnit, printUnit } from "@/lib/units";

type Difference = Schemas["JobDifferenceOut"];

export interface MetricRow {
  readonly name: string;
  /** As the simulation calls it. */
  readonly title: string;
  readonly unit: string;
  readonly a: string;
  readonly b: string;
  /** B - A, or nothing where one is no number. */
  readonly difference: string;
  readonly isEqual: boolean;
}

/** Is it the same, and where is it not: the sentence of the page. */
export function sentenceOf(difference: Difference): string {
  const total = difference.inputs_total + difference.inputs_equal;
  const inputs = difference.inputs_total === 0 ? "No input differs" : `${difference.inputs_total} of ${plural(total, "input")} ${difference.inputs_total === 1 ? "differs" : "differ"}`;
  const { norms, where, reason } = difference;
  if (reason !== undefined && reason !== null) return `${inputs}; the fields cannot be compared: ${reason.replace(/\.$/, "")}.`;
  if (norms?.max === undefined || norms.max === null) return `${inputs}.`;
  if (norms.max === 0) return `${inputs}; the fields are equal.`;
  const place = where === undefined || where === null ? "" : ` at ${placeOf(where.at)}`;
  const time = difference.time_s === undefined || difference.time_s === null ? "" : `, ${formatQuantity(difference.time_s, "s", 3)}`;
  return `${inputs}; largest gap ${formatQuantity(norms.max, difference.unit)}${place}${time}.`;
}

export function placeOf(at: Readonly<Record<string, number>>): string {
  return Object.entries(at).map(([axis, position]) => `${axis} = ${formatQuantity(position, "m", 3)}`).join(", ");
}

/** The metrics of both, those that differ first. */
export function metricRows(metrics: Difference["metrics"]): MetricRow[] {
  const rows = metrics.map(({ name, title, unit, a, b }): MetricRow => {
    const gap = typeof a === "number" && typeof b === "number" ? b - a : undefined;
    return {
      name, title, unit: printUnit(unit), a: printValue(a), b: printValue(b), isEqual: a === b,
      difference: gap === undefined ? "" : `${gap > 0 ? "+" : ""}${formatQuantity(gap, unit === null ? null : differenceUnit(unit))}`,
    };
  });
  return [...rows.filter((row) => !row.isEqual), ...rows.filter((row) => row.isEqual)];
}

/** A value as a table shows it; parts of a problem as JSON. */
export function printValue(value: Json | undefined): string {
  if (value === null || value === undefined) return MISSING;
  if (typeof value === "number") return formatNumber(value, 5);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The cell of another grid over the same box that lies where a cell of one does. */
export function sameCell(cell: readonly number[], from: readonly number[], to: readonly number[]): number[] {
  return cell.map((index, axis) => {
    const [cells, others] = [from[axis] ?? 1, to[axis] ?? 1];
    return Math.min(others - 1, Math.floor(((index + 0.5) / cells) * others));
  });
}

/** The place in a list of times that is nearest to a moment. */
export function nearest(times: readonly number[], moment: number): number {
  return times.reduce((best, time, place) => (Math.abs(time - moment) < Math.abs((times[best] ?? Number.POSITIVE_INFINITY) - moment) ? place : best), 0);
}
