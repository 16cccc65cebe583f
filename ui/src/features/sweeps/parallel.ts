/**
 * Parallel coordinates on a canvas of their own: lines up to 2,000 points, above that an image of their density, made
 * once for each order of axes. What is chosen is drawn on a second canvas, so that a brush repaints nothing else.
 */
import { type NumberColumn, shareOf } from "./points";

export const MOST_LINES = 2_000;

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Left edge of each axis, and both ends of all. */
  readonly xs: readonly number[];
  readonly top: number;
  readonly bottom: number;
}

export function layoutAxes(count: number, width: number, height: number): Layout {
  const [left, right] = [72, width - 72];
  const step = count > 1 ? (right - left) / (count - 1) : 0;
  return { width, height, xs: Array.from({ length: count }, (_, axis) => left + axis * step), top: 40, bottom: height - 16 };
}

/** Height of each value on its axis in pixels, axis by axis; NaN where a point has none. */
export function placeValues(columns: readonly NumberColumn[], layout: Layout): Float32Array[] {
  const span = layout.bottom - layout.top;
  return columns.map((column) => Float32Array.from(column.values, (value) => layout.bottom - span * shareOf(column, value)));
}

/**
 * Count the lines over each pixel.
 *
 * @param rows Points whose lines are counted; one with a missing value has no line beside that axis.
 * @returns Counts, row by row, `layout.width` of them in each.
 */
export function countLines(heights: readonly Float32Array[], rows: Uint32Array, layout: Layout, step = 1): Uint32Array {
  const { width, height, xs } = layout;
  const counts = new Uint32Array(width * height);
  for (let axis = 0; axis + 1 < heights.length; axis += 1) {
    const [from, to] = [heights[axis] as Float32Array, heights[axis + 1] as Float32Array];
    const [start, end] = [Math.round(xs[axis] as number), Math.round(xs[axis + 1] as number)];
    for (const row of rows) {
      const first = from[row] as number;
      const slope = ((to[row] as number) - first) / (end - start);
      if (Number.isNaN(slope)) continue;
      let y = first + 0.5;
      for (let x = start; x < end; x += step, y += slope * step) {
        const at = (y | 0) * width + x;
        counts[at] = (counts[at] as number) + 1;
      }
    }
  }
  return counts;
}

type Colour = readonly [number, number, number];

/** Draw lines, or their density where they are many, in one colour. */
export function drawLines(
  context: CanvasRenderingContext2D, heights: readonly Float32Array[], rows: Uint32Array, layout: Layout, colour: Colour, isStrong: boolean,
): void {
  const ratio = context.canvas.width / layout.width;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, layout.width, layout.height);
  if (rows.length <= MOST_LINES) return strokeLines(context, heights, rows, layout, colour, isStrong);
  const step = isStrong ? 2 : 1; // every second column is enough for what follows the pointer
  const counts = countLines(heights, rows, layout, step);
  const image = shade(counts, layout, colour, step);
  const buffer = new OffscreenCanvas(layout.width, layout.height);
  buffer.getContext("2d")?.putImageData(image, 0, 0);
  context.drawImage(buffer, 0, 0);
}

function strokeLines(
  context: CanvasRenderingContext2D, heights: readonly Float32Array[], rows: Uint32Array, layout: Layout, [r, g, b]: Colour, isStrong: boolean,
): void {
  const alpha = Math.max(0.12, Math.min(0.9, (isStrong ? 60 : 30) / Math.max(1, rows.length)));
  context.strokeStyle = `rgb(${r} ${g} ${b} / ${alpha})`;
  context.lineWidth = 1.2;
  context.beginPath();
  for (const row of rows) {
    let isOpen = false;
    for (let axis = 0; axis < heights.length; axis += 1) {
      const y = (heights[axis] as Float32Array)[row] as number;
      const x = layout.xs[axis] as number;
      if (Number.isNaN(y)) isOpen = false;
      else if (isOpen) context.lineTo(x, y);
      else {
        context.moveTo(x, y);
        isOpen = true;
      }
    }
  }
  context.stroke();
}

/** Counts as opacity, by their logarithm: one line is seen, a thousand do not hide what is beside them. */
function shade(counts: Uint32Array, layout: Layout, colour: Colour, step: number): ImageData {
  const image = new ImageData(layout.width, layout.height);
  const pixels = new Uint32Array(image.data.buffer); // red lowest, opacity highest
  const table = shades(counts.reduce((largest, count) => (count > largest ? count : largest), 1), colour);
  for (let at = 0; at < counts.length; at += 1) {
    const count = counts[at] as number;
    if (count > 0) pixels.fill(table[count] as number, at, at + step);
  }
  return image;
}

/** The pixel for each number of lines, from none to the most. */
export function shades(most: number, [r, g, b]: Colour): Uint32Array {
  const scale = 200 / Math.log1p(most);
  return Uint32Array.from({ length: most + 1 }, (_, count) => {
    const opacity = count === 0 ? 0 : Math.round(30 + scale * Math.log1p(count));
    return ((opacity << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}
