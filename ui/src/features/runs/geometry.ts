/** From cells to metres and pixels: how the body of a run lies in its picture. */

/** The body of a run, as far as a picture needs it. */
export interface Body {
  /** Cells along all axes. */
  readonly cells: readonly number[];
  /** Lowest corner and lengths [m]; null for runs of an earlier version. */
  readonly origin: readonly number[] | null;
  readonly size: readonly number[] | null;
}

export const AXES = ["x", "y", "z"] as const;

/** Axes with more than one cell; the first where there is none. */
export function openAxes(cells: readonly number[]): number[] {
  const open = cells.flatMap((count, axis) => (count > 1 ? [axis] : []));
  return open.length === 0 ? [0] : open;
}

/** The two axes that are drawn (right and up), and the one that is cut, where there are three. */
export function drawnAxes(cells: readonly number[], cut: number | undefined): { across: number; up: number | undefined; cut: number | undefined } {
  const open = openAxes(cells);
  const normal = open.length === 3 ? (cut !== undefined && open.includes(cut) ? cut : 2) : undefined;
  const [across = 0, up] = open.filter((axis) => axis !== normal);
  return { across, up, cut: normal };
}

/** Length of the body along an axis; in cells where the metres are not known. */
export function lengthOf(body: Body, axis: number | undefined): number {
  if (axis === undefined) return 0;
  return body.size?.[axis] ?? body.cells[axis] ?? 1;
}

/** Coordinate of the centre of a cell along an axis [m]. */
export function centreOf(body: Body, axis: number, cell: number): number {
  const cells = body.cells[axis] ?? 1;
  return (body.origin?.[axis] ?? 0) + ((cell + 0.5) / cells) * lengthOf(body, axis);
}

/** The largest rectangle with the proportions of the body in a room; the profile of a rod takes all of it. */
export function fit(width: number, height: number, across: number, up: number): { width: number; height: number } {
  if (width <= 0 || height <= 0) return { width: 0, height: 0 };
  if (up <= 0) return { width: Math.floor(width), height: Math.floor(height) };
  const ratio = Math.min(8, Math.max(1 / 8, across / up)); // a thin body stays visible
  const scaled = Math.min(width, height * ratio);
  return { width: Math.floor(scaled), height: Math.floor(scaled / ratio) };
}

/** A cell of a coarser picture as a place in the full grid, between cells where it must be. */
export function toFull(cell: number, count: number, full: number): number {
  return ((cell + 0.5) * full) / Math.max(1, count) - 0.5;
}

/** Move a cell of the picture, within the picture. */
export function moveCell(cell: readonly [number, number], right: number, up: number, size: readonly [number, number]): [number, number] {
  const within = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
  return [within(cell[0] + right, size[0]), within(cell[1] + up, size[1])];
}

/** Number of the cell that a coordinate lies in, between cells where it must be. */
export function cellOf(body: Body, axis: number, place: number): number {
  const cells = body.cells[axis] ?? 1;
  return ((place - (body.origin?.[axis] ?? 0)) / lengthOf(body, axis)) * cells - 0.5;
}

/** A cell of the picture as one of the body: a number for each of its axes, those that are not drawn by the planes. */
export function toBody(body: Body, cell: readonly [number, number], cut: number | undefined, planes: readonly number[]): number[] {
  const axes = drawnAxes(body.cells, cut);
  return body.cells.map((_, axis) => (axis === axes.across ? cell[0] : axis === axes.up ? cell[1] : (planes[axis] ?? 0)));
}

/** Position of a cell of the body in metres, a number for each axis with more than one cell, as an event takes it. */
export function positionOf(body: Body, at: readonly number[]): number[] {
  return openAxes(body.cells).map((axis) => centreOf(body, axis, at[axis] ?? 0));
}

/** The cell of the body at a position with a number for each axis with more than one cell. */
export function cellAt(body: Body, position: readonly number[]): number[] {
  const open = openAxes(body.cells);
  return body.cells.map((_, axis) => (open.includes(axis) ? cellOf(body, axis, position[open.indexOf(axis)] ?? 0) : 0));
}

/** The planes in the middle of a body, or where they were put. */
export function planesOf(cells: readonly number[], chosen: readonly (number | undefined)[]): number[] {
  return cells.map((count, axis) => Math.max(0, Math.min(count - 1, chosen[axis] ?? Math.floor(count / 2))));
}
