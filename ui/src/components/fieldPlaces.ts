/** Where cells are, and what a field says in words; pure, so that the view and its files tell the same. */
import type { Schemas } from "@/api/client";
import { findExtremes } from "@/draw/scale";
import { formatNumber, formatQuantity } from "@/lib/format";
import { type Frame, scaleOf } from "@/lib/frame";
import { printUnit } from "@/lib/units";

/** An axis as `/jobs/{id}/fields` describes it. */
export type FieldAxis = Schemas["FieldAxisOut"];

const NAMES = ["x", "y", "z"] as const;

/** Return the axes of a frame: those that are known, made coarser where the frame is, else cells by their number. */
export function axesOf(frame: Pick<Frame, "shape" | "level">, axes: readonly FieldAxis[] | undefined): FieldAxis[] {
  return frame.shape.map((count, place) => {
    const name = NAMES[place] ?? "x";
    const axis = axes?.[place];
    if (axis === undefined) return { name, unit: "", count, at: "cell", origin: -0.5, spacing: 1, values: null };
    if (axis.count === count) return axis;
    const length = axisSpan(axis)[1] - axisSpan(axis)[0];
    return { ...axis, count, at: "cell", origin: axisSpan(axis)[0], spacing: length / Math.max(1, count), values: null };
  });
}

/** Position of a cell along an axis. */
export function positionOf(axis: FieldAxis, index: number): number {
  if (axis.values !== null) return axis.values[index] ?? Number.NaN;
  return (axis.origin ?? 0) + (index + (axis.at === "cell" ? 0.5 : 0)) * (axis.spacing ?? 1);
}

/** Ends of an axis as it is drawn; a node has half a cell on either side. */
export function axisSpan(axis: FieldAxis): readonly [number, number] {
  const spacing = axis.spacing ?? 1;
  if (axis.values !== null) return [axis.values[0] ?? 0, axis.values.at(-1) ?? 1];
  const low = (axis.origin ?? 0) - (axis.at === "node" ? 0.5 * spacing : 0);
  return [low, low + axis.count * spacing];
}

/** Indices of a cell by its place in C order. */
export function cellIndices(shape: readonly number[], cell: number): number[] {
  const indices: number[] = [];
  let rest = cell;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const count = shape[axis] as number;
    indices.unshift(rest % count);
    rest = Math.floor(rest / count);
  }
  return indices;
}

/** Place in C order of a cell by its indices. */
export function cellAt(shape: readonly number[], indices: readonly number[]): number {
  return shape.reduce((cell, count, axis) => cell * count + (indices[axis] ?? 0), 0);
}

/** Value of a cell; null where it has none. */
export function valueAt(frame: Frame, cell: number): number | null {
  const code = frame.codes[cell];
  return code === undefined || code === frame.masked ? null : frame.low + scaleOf(frame) * code;
}

/** `x 0.500 m, y 0.250 m`. */
export function placeText(axes: readonly FieldAxis[], indices: readonly number[]): string {
  return axes
    .flatMap((axis, place) => (axis.count > 1 ? [`${axis.name} ${formatQuantity(positionOf(axis, indices[place] ?? 0), axis.unit, 3)}`] : []))
    .join(", ");
}

/** The word for the largest value of a field. */
export function worstWord(name: string): string {
  return /temperature/.test(name) ? "hottest" : "highest";
}

/** One sentence for those who cannot see the picture. */
export function fieldSentence(frame: Frame, title: string, axes: readonly FieldAxis[]): string {
  const found = findExtremes(frame);
  if (found === null) return `${title}: no cell has a value.`;
  const place = placeText(axes, cellIndices(frame.shape, found.highCell));
  const span = `${formatNumber(found.low)} to ${formatQuantity(found.high, frame.unit)}`;
  return `${title}, ${span}, ${worstWord(frame.name)} ${formatQuantity(found.high, frame.unit)}${place === "" ? "" : ` at ${place}`}.`;
}

/** Head of a column of a file: `x [m]`. */
export function columnHead(name: string, unit: string): string {
  return printUnit(unit) === "" ? name : `${name} [${unit}]`;
}
