/** A field as a table of all cells with their places. */
import { csvRow } from "@/lib/csv";
import { type Frame, toValues } from "@/lib/frame";
import { cellIndices, columnHead, type FieldAxis, positionOf } from "./fieldPlaces";

/** Every cell as a row: its place along each axis, and its value. */
export function fieldCsv(frame: Frame, title: string, axes: readonly FieldAxis[]): Blob {
  const values = toValues(frame);
  const rows = [csvRow([...axes.map((axis) => columnHead(axis.name, axis.unit)), columnHead(title, frame.unit)])];
  for (let cell = 0; cell < values.length; cell += 1) {
    const places = cellIndices(frame.shape, cell).map((index, axis) => positionOf(axes[axis] as FieldAxis, index));
    rows.push(csvRow([...places.map((place) => Number(place.toPrecision(12))), values[cell]]));
  }
  return new Blob(rows, { type: "text/csv" });
}
