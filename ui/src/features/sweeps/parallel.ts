/**
 * Parallel coordinates on a canvas of their own: lines up to 2,000 points, above that an image of their density, made
 * once for each order of axes. What is chosen is drawn on a second canvas, so that a brush repaints nothing else; its
 * density is kept, so that a brush that grows by ten points counts ten lines. A brush draws lines up to 150 points only:
 * where no graphics processor strokes them, 2,000 take 120 ms of a frame, and a density 2 ms.
 */
import { type NumberColumn, shareOf } from "./points";

export const MOST_LINES = 2_000;
export const MOST_BRUSHED = 150;

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
  return { width, height, xs: Array.from({ length: count }, (_, axis) => left + axis * step), top: 56, bottom: height - 24 };
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
 * @param sign 1 adds to the counts, -1 takes away.
 * @param step Of every so many columns one is counted.
 * @param counts Row by row, `layout.width` of them in each; absent: begun at 0.
 */
export function countLines(
  heights: readonly Float32Array[], rows: Iterable<number>, layout: Layout, step = 1, sign = 1,
  counts = new Uint32Array(layout.width * layout.height),
): Uint32Array<ArrayBuffer> {
  const { width, xs } = layout;
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
        counts[at] = (counts[at] as number) + sign;
      }
    }
  }
  return counts;
}

/** Rows of one list that are not in the other; both ascend. */
export function without(rows: Uint32Array, others: Uint32Array): Uint32Array {
  const found = new Uint32Array(rows.length);
  let [count, other] = [0, 0];
  for (const row of rows) {
    while (other < others.length && (others[other] as number) < row) other += 1;
    if (others[other] !== row) {
      found[count] = row;
      count += 1;
    }
  }
  return found.subarray(0, count);
}

type Colour = readonly [number, number, number];

/** Draws the lines of some points onto a canvas, again and again: what has not changed since is not counted anew. */
export class LinesPainter {
  private heights: readonly Float32Array[] | null = null;
  private layout: Layout | null = null;
  private counts: Uint32Array<ArrayBuffer> | null = null;
  private counted: Uint32Array = new Uint32Array();
  private image: ImageData | null = null;
  private buffer: OffscreenCanvas | null = null;

  /** @param isStrong What is chosen: every second column is enough for what follows the pointer. */
  constructor(private readonly isStrong: boolean) {}

  /** Draw lines, or their density where they are many, in one colour. */
  draw(context: CanvasRenderingContext2D, heights: readonly Float32Array[], rows: Uint32Array, layout: Layout, colour: Colour): void {
    const ratio = context.canvas.width / layout.width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, layout.width, layout.height);
    if (rows.length <= (this.isStrong ? MOST_BRUSHED : MOST_LINES)) return strokeLines(context, heights, rows, layout, colour, this.isStrong);
    const step = this.isStrong ? 2 : 1;
    const counts = this.count(heights, rows, layout, step);
    if (this.image === null || this.buffer === null || this.image.width !== layout.width || this.image.height !== layout.height) {
      this.image = new ImageData(layout.width, layout.height);
      this.buffer = new OffscreenCanvas(layout.width, layout.height);
    }
    shade(this.image, counts, colour, step);
    this.buffer.getContext("2d")?.putImageData(this.image, 0, 0);
    context.drawImage(this.buffer, 0, 0);
  }

  /** Counts of these rows: those of the last time with what has come and gone, where that is less than all. */
  count(heights: readonly Float32Array[], rows: Uint32Array, layout: Layout, step: number): Uint32Array {
    const isSame = this.counts !== null && this.heights === heights && this.layout === layout;
    const [added, removed] = isSame ? [without(rows, this.counted), without(this.counted, rows)] : [rows, rows];
    if (this.counts === null || !isSame || added.length + removed.length >= rows.length) {
      this.counts = countLines(heights, rows, layout, step);
    } else {
      countLines(heights, added, layout, step, 1, this.counts);
      countLines(heights, removed, layout, step, -1, this.counts);
    }
    [this.heights, this.layout, this.counted] = [heights, layout, rows];
    return this.counts;
  }
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
function shade(image: ImageData, counts: Uint32Array, colour: Colour, step: number): void {
  const pixels = new Uint32Array(image.data.buffer); // red lowest, opacity highest
  let most = 1;
  for (let at = 0; at < counts.length; at += 1) if ((counts[at] as number) > most) most = counts[at] as number;
  const table = shades(most, colour);
  pixels.fill(0);
  for (let at = 0; at < counts.length; at += 1) {
    const count = counts[at] as number;
    if (count === 0) continue;
    const pixel = table[count] as number;
    for (let beside = 0; beside < step; beside += 1) pixels[at + beside] = pixel;
  }
}

/** The pixel for each number of lines, from none to the most. */
export function shades(most: number, [r, g, b]: Colour): Uint32Array {
  const scale = 200 / Math.log1p(most);
  return Uint32Array.from({ length: most + 1 }, (_, count) => {
    const opacity = count === 0 ? 0 : Math.round(30 + scale * Math.log1p(count));
    return ((opacity << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}
