/** Lines of equal value by marching squares between the centres of cells. */
import type { Frame } from "@/lib/frame";
import { planeSize } from "./planes";

const MOST_CELLS = 256; // along an axis; finer fields are read at every second or further cell
let room = new Float32Array(4_096); // grown where a line needs it; a caller gets a view, valid until the next call

/**
 * Find the segments of the line on which a plane has a value.
 *
 * @returns Four numbers for each segment: x and y of its ends, in cells; the centre of cell i is at i + 1/2. A view that
 * the next call overwrites.
 */
export function findIsoline(frame: Frame, value: number): Float32Array {
  const [columns, rows] = planeSize(frame.shape);
  const { codes, low, high, bits, extremes } = frame;
  const masked = frame.masked ?? -1;
  const wanted = high > low ? ((value - low) / (high - low)) * (2 ** bits - 2) : Number.NaN;
  if (extremes !== undefined && !(extremes.least < wanted && wanted <= extremes.most)) return room.subarray(0, 0);
  const across = Math.ceil(columns / MOST_CELLS);
  const along = Math.ceil(rows / MOST_CELLS);
  let end = 0;
  for (let x = 0; x + across < columns; x += across) {
    const left = x * rows;
    const right = left + across * rows;
    let [a, b] = [codes[left] as number, codes[right] as number];
    for (let y = 0; y + along < rows; y += along) {
      const c = codes[right + y + along] as number;
      const d = codes[left + y + along] as number;
      const above = (a >= wanted ? 1 : 0) + (b >= wanted ? 1 : 0) + (c >= wanted ? 1 : 0) + (d >= wanted ? 1 : 0);
      if (above !== 0 && above !== 4 && a !== masked && b !== masked && c !== masked && d !== masked) {
        if (end + 8 > room.length) room = grow(room);
        end = addSegments(room, end, a, b, c, d, wanted, x + 0.5, y + 0.5, across, along);
      }
      [a, b] = [d, c];
    }
  }
  return room.subarray(0, end);
}

function grow(old: Float32Array): Float32Array<ArrayBuffer> {
  const grown = new Float32Array(2 * old.length);
  grown.set(old);
  return grown;
}

/** Add what crosses one square, whose corners a to d go round from its lower left, and return the new end. */
function addSegments(
  out: Float32Array, end: number, a: number, b: number, c: number, d: number, wanted: number,
  x: number, y: number, width: number, height: number,
): number {
  const [isA, isB, isC, isD] = [a >= wanted, b >= wanted, c >= wanted, d >= wanted];
  const lower = x + (width * (wanted - a)) / (b - a);
  const right = y + (height * (wanted - b)) / (c - b);
  const upper = x + (width * (wanted - d)) / (c - d);
  const left = y + (height * (wanted - a)) / (d - a);
  const isSaddle = isA === isC && isB === isD;
  // The value in the middle of a saddle says which corners belong together.
  const isTurned = isSaddle && (a + b + c + d) / 4 >= wanted === isA;
  let at = end;
  const point = (px: number, py: number) => {
    out[at] = px;
    out[at + 1] = py;
    at += 2;
  };
  if (isSaddle && !isTurned) {
    point(lower, y);
    point(x, left);
    point(x + width, right);
    point(upper, y + height);
    return at;
  }
  if (isA !== isB) point(lower, y);
  if (isB !== isC) point(x + width, right);
  if (isD !== isC) point(upper, y + height);
  if (isA !== isD) point(x, left);
  return at;
}
