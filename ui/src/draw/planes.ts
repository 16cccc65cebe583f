/** Planes of fields: what a heatmap shows of one to three axes. */
import type { Frame } from "@/lib/frame";

/** Axes of a frame that have more than one cell; a rod keeps its one axis. */
export function openAxes(shape: readonly number[]): number[] {
  const open = shape.flatMap((cells, axis) => (cells > 1 ? [axis] : []));
  return open.length === 0 ? [0] : open;
}

/** Columns (along the first open axis) and rows (along the second) that a frame is drawn with. */
export function planeSize(shape: readonly number[]): readonly [number, number] {
  if (shape.length <= 2) return [shape[0] ?? 1, shape[1] ?? 1];
  const axes = openAxes(shape);
  if (axes.length > 2) throw new RangeError("A field of three axes is drawn by its slices");
  const [first = 0, second = first === 2 ? 1 : first + 1] = axes;
  return [shape[first] ?? 1, shape[second] ?? 1];
}

/**
 * Cut a plane out of a frame of three axes.
 *
 * @param axis The axis that the plane is normal to: 0, 1 or 2.
 * @param index Its cell along that axis.
 */
export function slicePlane(frame: Frame, axis: number, index: number): Frame {
  const [nx = 1, ny = 1, nz = 1] = frame.shape;
  const size = [nx, ny, nz];
  const strides = [ny * nz, nz, 1];
  const [first, second] = [0, 1, 2].filter((other) => other !== axis) as [number, number];
  const [columns, rows] = [size[first] as number, size[second] as number];
  const [step, stride] = [strides[first] as number, strides[second] as number];
  const at = Math.max(0, Math.min((size[axis] as number) - 1, index)) * (strides[axis] as number);
  const codes = new Uint16Array(columns * rows);
  for (let column = 0, cell = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1, cell += 1) codes[cell] = frame.codes[at + column * step + row * stride] as number;
  }
  const own = { extremes: undefined, serial: undefined, changed: null }; // those of the frame are of the whole field
  return { ...frame, ...own, dimension: 2, shape: [columns, rows], codes };
}
