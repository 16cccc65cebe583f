import { planeSize } from "./planes";

/** Cell under a point of a picture; null outside of it. */
export function pickCell(
  shape: readonly number[] | undefined, width: number, height: number, x: number, y: number,
): number[] | null {
  if (shape === undefined || !(x >= 0 && x < width && y >= 0 && y < height)) return null;
  const [columns, rows] = planeSize(shape);
  const column = Math.floor((x / width) * columns);
  const row = Math.floor((1 - y / height) * rows);
  return [Math.min(columns - 1, column), Math.min(rows - 1, Math.max(0, row))];
}
