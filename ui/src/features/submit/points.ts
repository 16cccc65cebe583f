/** Points of a sweep from what is varied: lists, ranges and a pasted table, multiplied or side by side. Pure. */
import type { Json, JsonRecord } from "@/lib/json";
import { checkPlain, type Shape } from "@/lib/schema";
import { parseQuantity } from "@/lib/units";

/** The most points that a sweep takes. */
export const MOST_POINTS = 10_000;

export type Way = "list" | "linear" | "log";

/** One parameter that is varied, as it was typed. */
export interface Axis {
  readonly way: Way;
  readonly list: string;
  readonly from: string;
  readonly to: string;
  readonly count: string;
}

/** A pasted table: a name for each column, a value in each place. */
export interface Table {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Json[])[];
}

export type Combination = "product" | "side";

export type Values = { readonly ok: true; readonly values: readonly Json[] } | { readonly ok: false; readonly reason: string };

/** Begin to vary a parameter around the value that it has. */
export function startAxis(shape: Shape, value: Json | undefined): Axis {
  const now = typeof value === "number" ? value : typeof shape.default === "number" ? shape.default : 1;
  const isLog = shape.kind === "number" && shape.isLog && now > 0;
  const [low, high] = isLog ? [now / 2, now * 2] : now === 0 ? [0, 1] : [now * 0.5, now * 1.5];
  const round = (at: number) => String(shape.kind === "number" && shape.isInteger ? Math.round(at) : Number(at.toPrecision(3)));
  return { way: isLog ? "log" : "linear", list: round(now), from: round(low), to: round(high), count: "4" };
}

/** Return the values of an axis in its own unit, or why there are none. */
export function valuesOf(axis: Axis, shape: Shape | undefined): Values {
  return axis.way === "list" ? listValues(axis.list, shape) : rangeValues(axis, shape);
}

function listValues(text: string, shape: Shape | undefined): Values {
  const parts = text.split(/[\n;]|,(?!\d)|(?<!\d),|,(?=\s*\S)/).map((part) => part.trim()).filter((part) => part !== "");
  if (parts.length === 0) return { ok: false, reason: "A value is missing." };
  const values: Json[] = [];
  for (const part of parts) {
    const parsed = parseQuantity(part, shape?.unit);
    if (!parsed.ok) return { ok: false, reason: parsed.reason };
    values.push(parsed.value);
  }
  return { ok: true, values };
}

function rangeValues(axis: Axis, shape: Shape | undefined): Values {
  const [from, to] = [parseQuantity(axis.from, shape?.unit), parseQuantity(axis.to, shape?.unit)];
  if (!from.ok) return { ok: false, reason: `First value: ${from.reason}` };
  if (!to.ok) return { ok: false, reason: `Last value: ${to.reason}` };
  const count = Number(axis.count.trim());
  if (!Number.isInteger(count) || count < 2 || count > MOST_POINTS) {
    return { ok: false, reason: `The number of values must be from 2 to ${MOST_POINTS}.` };
  }
  if (axis.way === "log" && !(from.value > 0 && to.value > 0)) {
    return { ok: false, reason: "A logarithmic range needs two values above 0." };
  }
  const isInteger = shape?.kind === "number" && shape.isInteger;
  const values = Array.from({ length: count }, (_, place) => {
    if (place === 0) return from.value;
    if (place === count - 1) return to.value;
    const share = place / (count - 1);
    const value = axis.way === "log" ? from.value * (to.value / from.value) ** share : from.value + (to.value - from.value) * share;
    return isInteger ? Math.round(value) : Number(value.toPrecision(12));
  });
  return { ok: true, values: isInteger ? [...new Set(values)] : values };
}

/** Read a pasted table: names in the first row, commas, semicolons or tabs between. */
export function readTable(text: string): { ok: true; table: Table } | { ok: false; reason: string } {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const [head, ...body] = lines;
  if (head === undefined || body.length === 0) return { ok: false, reason: "Paste names in the first row, and values below." };
  const separator = head.includes("\t") ? "\t" : head.includes(";") ? ";" : ",";
  const cells = (line: string) => line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const names = cells(head).map((name) => name.replace(/^params\./, ""));
  if (names.some((name) => name === "")) return { ok: false, reason: "A name is missing in the first row." };
  const twice = names.find((name, place) => names.indexOf(name) !== place);
  if (twice !== undefined) return { ok: false, reason: `The name ${twice} stands there twice.` };
  if (body.length > MOST_POINTS) return { ok: false, reason: `${body.length} rows are more than ${MOST_POINTS}.` };
  const rows: Json[][] = [];
  for (const [place, line] of body.entries()) {
    const row = cells(line);
    if (row.length !== names.length) {
      return { ok: false, reason: `Row ${place + 1} has ${row.length} values for ${names.length} names.` };
    }
    rows.push(row.map(readCell));
  }
  return { ok: true, table: { names, rows } };
}

function readCell(text: string): Json {
  const parsed = parseQuantity(text);
  if (parsed.ok) return parsed.value;
  return text === "true" ? true : text === "false" ? false : text;
}

/** Make a table of points as the API has them; what a point leaves out is left out again. */
export function tableOf(points: readonly JsonRecord[]): Table {
  const names = [...new Set(points.flatMap((point) => Object.keys(point)))];
  return { names, rows: points.map((point) => names.map((name) => point[name] ?? null)) };
}

export interface Expansion {
  readonly points: readonly JsonRecord[];
  /** Number of points, also where they are too many to be made. */
  readonly count: number;
  /** As in `4 × 3`. */
  readonly product: string;
  readonly reason?: string;
}

/** Make the points of a sweep: the rows of the table and the values of the axes, multiplied or side by side. */
export function expand(
  axes: readonly (readonly [string, readonly Json[]])[], table: Table | undefined, combination: Combination,
): Expansion {
  const parts: readonly (readonly JsonRecord[])[] = [
    ...(table === undefined ? [] : [table.rows.map((row) => pointOf(table.names, row))]),
    ...axes.map(([name, values]) => values.map((value) => ({ [name]: value }))),
  ];
  const lengths = parts.map((part) => part.length);
  if (parts.length === 0) return { points: [], count: 0, product: "" };
  if (combination === "side") {
    const count = lengths[0] ?? 0;
    if (lengths.some((length) => length !== count)) {
      return { points: [], count: 0, product: "", reason: `Side by side, all must have as many values: here ${lengths.join(", ")}.` };
    }
    const points = Array.from({ length: count }, (_, row) => Object.assign({}, ...parts.map((part) => part[row])) as JsonRecord);
    return { points, count, product: String(count) };
  }
  const count = lengths.reduce((product, length) => product * length, 1);
  const product = lengths.join(" × ");
  if (count > MOST_POINTS) return { points: [], count, product, reason: `${count} points are more than ${MOST_POINTS}.` };
  let points: JsonRecord[] = [{}];
  for (const part of parts) points = points.flatMap((point) => part.map((more) => ({ ...point, ...more })));
  return { points, count, product };
}

function pointOf(names: readonly string[], row: readonly Json[]): JsonRecord {
  return Object.fromEntries(names.flatMap((name, place) => (row[place] === null ? [] : [[name, row[place] as Json]])));
}

/** Find the points that a schema refuses, with the reason, before the server is asked. */
export function findRefused(points: readonly JsonRecord[], shapes: ReadonlyMap<string, Shape>): Map<number, string> {
  const refused = new Map<number, string>();
  points.forEach((point, index) => {
    for (const [name, value] of Object.entries(point)) {
      const shape = shapes.get(name);
      const message = shape === undefined ? undefined : checkPlain(shape, value);
      if (message !== undefined) {
        refused.set(index, `${name}: ${message}`);
        return;
      }
    }
  });
  return refused;
}
