/** Lines of equal value by marching squares between the centres of cells. */
import type { Frame } from "@/lib/frame";
import { planeSize } from "./planes";

const MOST_CELLS = 256; // along an axis; finer fields are read at every second or further cell

/**
 * Find the segments of the line on which a plane has a value.
 *
 * @returns Four numbers for each segment: x and y of its ends, in cells; the centre of cell i is at i + 1/2.
 */
export function findIsoline(frame: Frame, value: number): Float32Array {
  const [columns, rows] = planeSize(frame.shape);
  const { codes, masked, low, high, bits } = frame;
  const wanted = high > low ? ((value - low) / (high - low)) * (2 ** bits - 2) : Number.NaN;
  const [across, along] = [columns, rows].map((cells) => Math.ceil(cells / MOST_CELLS)) as [number, number];
  const segments: number[] = [];
  for (let x = 0; x + across < columns; x += across) {
    for (let y = 0; y + along < rows; y += along) {
      const corners = [x * rows + y, (x + across) * rows + y, (x + across) * rows + y + along, x * rows + y + along].map(
        (cell) => codes[cell] as number,
      ) as [number, number, number, number];
      if (corners.some((code) => code === masked)) continue;
      addSegments(segments, corners, wanted, x + 0.5, y + 0.5, across, along);
    }
  }
  return Float32Array.from(segments);
}

/** Add what crosses one square; corners go round from its lower left. */
function addSegments(
  out: number[], corners: readonly [number, number, number, number], wanted: number,
  x: number, y: number, width: number, height: number,
): void {
  const [a, b, c, d] = corners;
  const isAbove = corners.map((code) => code >= wanted);
  if (isAbove.every(Boolean) || !isAbove.some(Boolean)) return;
  const share = (from: number, to: number) => (wanted - from) / (to - from);
  const crossings: (readonly [number, number] | null)[] = [
    isAbove[0] !== isAbove[1] ? [x + width * share(a, b), y] : null,
    isAbove[1] !== isAbove[2] ? [x + width, y + height * share(b, c)] : null,
    isAbove[3] !== isAbove[2] ? [x + width * share(d, c), y + height] : null,
    isAbove[0] !== isAbove[3] ? [x, y + height * share(a, d)] : null,
  ];
  const ends = crossings.flatMap((point) => (point === null ? [] : [point]));
  // Four crossings: a saddle. The value in the middle says which corners belong together.
  const isTurned = ends.length === 4 && (a + b + c + d) / 4 >= wanted === isAbove[0];
  const order = isTurned ? [0, 1, 2, 3] : ends.length === 4 ? [0, 3, 1, 2] : [0, 1];
  for (let pair = 0; pair < order.length; pair += 2) {
    out.push(...(ends[order[pair] as number] as readonly [number, number]));
    out.push(...(ends[order[pair + 1] as number] as readonly [number, number]));
  }
}
