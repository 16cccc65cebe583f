/** The points of a sweep as columns of numbers, and what is asked of them: ranges, order, failures. Pure. */
import type { Schemas } from "@/api/client";
import { formatNumber, givenDigits, inSentence } from "@/lib/format";
import { printUnit } from "@/lib/units";

export interface NumberColumn {
  readonly name: string;
  /** As the simulation calls it: `Length`, `Heat flux at low x`. */
  readonly label: string;
  readonly unit: string;
  readonly isMetric: boolean;
  /** NaN where a point has none. */
  readonly values: Float64Array;
  readonly low: number;
  readonly high: number;
  /** Whether the values span more than two decades, all above 0. */
  readonly isLog: boolean;
}

export interface WordColumn {
  readonly name: string;
  readonly label: string;
  readonly values: readonly (string | null)[];
}

export interface Points {
  readonly count: number;
  readonly version: number;
  readonly jobIds: readonly string[];
  readonly status: readonly string[];
  readonly reason: readonly (string | null)[];
  /** Place of each point in the sweep: what the server calls it by. */
  readonly place: readonly number[];
  readonly numbers: readonly NumberColumn[];
  readonly words: readonly WordColumn[];
}

const DIGITS = 4;
const FAILED = new Set(["failed", "timed_out", "expired"]);

export function isFailed(points: Points, row: number): boolean {
  return FAILED.has(points.status[row] ?? "");
}

export function isDone(points: Points, row: number): boolean {
  return points.status[row] === "success";
}

/** Read the server's columns; those that are the same in all points are left out, since they tell none apart. */
export function readPoints(answer: Schemas["SweepColumnsOut"]): Points {
  const numbers: NumberColumn[] = [];
  const words: WordColumn[] = [];
  for (const { name, title: label, unit, values } of answer.columns) {
    const isNumeric = values.every((value) => value === null || typeof value === "number");
    if (!isNumeric) {
      const printed = values.map((value) => (value === null ? null : typeof value === "string" ? value : JSON.stringify(value)));
      if (new Set(printed.filter((value) => value !== null)).size > 1) words.push({ name, label, values: printed });
      continue;
    }
    const column = Float64Array.from(values, (value) => (typeof value === "number" ? value : Number.NaN));
    const [low, high] = extent(column);
    if (!(high > low)) continue;
    numbers.push({
      name, label, unit: printUnit(unit), isMetric: name.startsWith("metrics."), values: column, low, high,
      isLog: low > 0 && high / low > 100,
    });
  }
  return {
    count: answer.index.length, version: answer.version, jobIds: answer.job_id, status: answer.status,
    reason: answer.reason.map((reason) => reason ?? null), place: answer.index, numbers, words,
  };
}

/** A value of a column: a parameter with the digits that it was given with, four at most; a metric with four. */
export function printValue(column: Pick<NumberColumn, "isMetric">, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return formatNumber(value);
  return formatNumber(value, column.isMetric ? DIGITS : Math.min(DIGITS, givenDigits(value)));
}

export function extent(values: Float64Array): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Where a value stands on its axis, from 0 at the low end to 1. */
export function shareOf(column: NumberColumn, value: number): number {
  if (column.isLog) return Math.log(value / column.low) / Math.log(column.high / column.low);
  return (value - column.low) / (column.high - column.low);
}

/** The value at a share of an axis. */
export function valueAt(column: NumberColumn, share: number): number {
  if (column.isLog) return column.low * (column.high / column.low) ** share;
  return column.low + (column.high - column.low) * share;
}

export type Ranges = Readonly<Record<string, readonly [number, number]>>;

/**
 * Return the rows that are within all ranges and ended in one of the ways asked for, in the order of the sweep.
 *
 * @param why Reasons or states as the chips name them; empty: all.
 */
export function chooseRows(points: Points, ranges: Ranges, why: readonly string[]): Uint32Array {
  const columns = Object.entries(ranges).flatMap(([name, range]) => {
    const column = points.numbers.find((one) => one.name === name);
    return column === undefined ? [] : [{ values: column.values, low: range[0], high: range[1] }];
  });
  const wanted = new Set(why);
  const chosen = new Uint32Array(points.count);
  let count = 0;
  for (let row = 0; row < points.count; row += 1) {
    if (wanted.size > 0 && !wanted.has(whyOf(points, row) ?? "")) continue;
    let isWithin = true;
    for (const { values, low, high } of columns) {
      const value = values[row] as number;
      if (!(value >= low && value <= high)) {
        isWithin = false;
        break;
      }
    }
    if (isWithin) {
      chosen[count] = row;
      count += 1;
    }
  }
  return chosen.subarray(0, count);
}

/** Why a point failed: its reason, or its state where the server gives none; undefined for a point that did not fail. */
export function whyOf(points: Points, row: number): string | undefined {
  return isFailed(points, row) ? (points.reason[row] ?? points.status[row]) : undefined;
}

/** How many failed in which way, the most frequent first. */
export function countFailures(points: Points): { readonly why: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (let row = 0; row < points.count; row += 1) {
    const why = whyOf(points, row);
    if (why !== undefined) counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, count]) => ({ why, count })).sort((a, b) => b.count - a.count || (a.why < b.why ? -1 : 1));
}

/**
 * Order rows by a column, `name` upwards or `-name` downwards. Points without a value, the failed ones above all, stand
 * behind all others in either direction: they have no rank.
 */
export function sortRows(points: Points, rows: Uint32Array, sort: string | undefined): Uint32Array {
  if (sort === undefined) return rows;
  const isDown = sort.startsWith("-");
  const column = points.numbers.find((one) => one.name === sort.replace(/^-/, ""));
  if (column === undefined) return rows;
  const { values } = column;
  const has = (row: number) => isDone(points, row) && !Number.isNaN(values[row]);
  const ranked = rows.filter(has).sort((a, b) => ((values[a] as number) - (values[b] as number)) * (isDown ? -1 : 1) || a - b);
  const rest = rows.filter((row) => !has(row));
  const sorted = new Uint32Array(rows.length);
  sorted.set(ranked);
  sorted.set(rest, ranked.length);
  return sorted;
}

/** Say where the failed points are, if one parameter tells them from the others: `all with diffusivity above 0.8 m²/s`. */
export function whereFailed(points: Points): string | undefined {
  const failed = Array.from({ length: points.count }, (_, row) => row).filter((row) => isFailed(points, row));
  const done = Array.from({ length: points.count }, (_, row) => row).filter((row) => isDone(points, row));
  if (failed.length === 0 || done.length === 0) return undefined;
  for (const column of points.numbers.filter((one) => !one.isMetric)) {
    const bad = extent(Float64Array.from(failed, (row) => column.values[row] as number));
    const good = extent(Float64Array.from(done, (row) => column.values[row] as number));
    if (bad[0] > good[1]) return `all with ${inSentence(column.label)} above ${quantity(column, good[1])}`;
    if (bad[1] < good[0]) return `all with ${inSentence(column.label)} below ${quantity(column, good[0])}`;
  }
  for (const column of points.words) {
    const bad = new Set(failed.map((row) => column.values[row]));
    if (bad.size === 1 && !done.some((row) => bad.has(column.values[row] ?? null))) return `all with ${inSentence(column.label)} ${[...bad][0] ?? "–"}`;
  }
  return undefined;
}

function quantity(column: NumberColumn, value: number): string {
  return `${printValue(column, value)}${column.unit === "" ? "" : `\u2009${column.unit}`}`;
}

/** Points that share all parameters but one: the lines of a response curve, each in the order of x. */
export function linesAlong(points: Points, rows: Uint32Array, x: NumberColumn): { readonly label: string; readonly rows: number[] }[] {
  const others = points.numbers.filter((column) => !column.isMetric && column.name !== x.name);
  const words = points.words.filter((column) => column.name.startsWith("params."));
  const lines = new Map<string, number[]>();
  for (const row of rows) {
    let key = "";
    for (const column of others) key += `${column.values[row]} `;
    for (const column of words) key += `${column.values[row] ?? ""}\n`;
    const line = lines.get(key);
    if (line === undefined) lines.set(key, [row]);
    else line.push(row);
  }
  const labelOf = (row: number) => [
    ...others.map((column) => `${column.label} ${printValue(column, column.values[row])}`),
    ...words.map((column) => `${column.label} ${column.values[row] ?? "–"}`),
  ].join(", ");
  const value = (row: number) => x.values[row] as number;
  return [...lines.values()].map((members) => ({
    get label() {
      return labelOf(members[0] as number); // formatted only where it is shown
    },
    rows: members.sort((a, b) => value(a) - value(b)),
  }));
}
