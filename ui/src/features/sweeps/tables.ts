/** Points of a sweep, and fields of some, as tables of what is chosen; the whole sweep comes from the server. */
import { columnHead, positionOf, axesOf, cellIndices, type FieldAxis } from "@/components/fieldPlaces";
import { download, tableFile } from "@/components/files";
import type { Table } from "@/components/SaveMenu";
import { plural } from "@/lib/format";
import { type Frame, toValues } from "@/lib/frame";
import type { NumberColumn, Points, WordColumn } from "./points";

/** Every point with all that it was given and gave: written by the server as a download, however many there are. */
export function wholeSweep(sweepId: string): Table {
  return { label: "The whole sweep, from the server", make: () => download(`/api/v1/sweeps/${sweepId}?format=csv`) };
}

/** The rows that are chosen, in their order, with some columns. */
export function chosenPoints(points: Points, rows: Uint32Array, columns: readonly (NumberColumn | WordColumn)[]): Table {
  return { label: plural(rows.length, "chosen point"), suffix: "-chosen", make: () => pointTable(points, rows, columns) };
}

export function pointTable(points: Points, rows: Uint32Array, columns: readonly (NumberColumn | WordColumn)[]): Blob {
  const head = ["point", "job", "state", "reason", ...columns.map((column) => columnHead(column.label, "unit" in column ? column.unit : ""))];
  const lines = Array.from(rows, (row) => [
    (points.place[row] ?? row) + 1, points.jobIds[row], points.status[row], points.reason[row],
    ...columns.map((column) => column.values[row]),
  ]);
  return tableFile(head, lines);
}

/** The cells of several fields: the point, the place along each axis, and the value. */
export function fieldTable(frames: readonly Frame[], title: string, unit: string, axes: readonly FieldAxis[]): Blob {
  const first = frames[0];
  if (first === undefined) return tableFile([], []);
  const heads = axesOf(first, axes).map((axis) => columnHead(axis.name, axis.unit));
  const lines = frames.flatMap((frame) => {
    const own = axesOf(frame, axes);
    return Array.from(toValues(frame), (value, cell) => [
      frame.epoch + 1,
      ...cellIndices(frame.shape, cell).map((index, axis) => Number(positionOf(own[axis] as FieldAxis, index).toPrecision(12))),
      value,
    ]);
  });
  return tableFile(["point", ...heads, columnHead(title, unit)], lines);
}
