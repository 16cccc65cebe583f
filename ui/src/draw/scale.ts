/** What stands between codes and colours: the scale of a picture, and what of a field lies beyond it. */
import { type Frame, scaleOf } from "@/lib/frame";

/** Smallest and largest value of a frame with their cells; null where no cell has a value. */
export interface Extremes {
  readonly low: number;
  readonly high: number;
  readonly lowCell: number;
  readonly highCell: number;
}

export function findExtremes(frame: Frame): Extremes | null {
  const { codes, masked, extremes } = frame;
  if (extremes !== undefined) return extremesOf(frame, extremes.least, extremes.most, extremes.leastCell, extremes.mostCell);
  let [least, most, lowCell, highCell] = [0x10000, -1, -1, -1];
  for (let cell = 0; cell < codes.length; cell += 1) {
    const code = codes[cell] as number;
    if (code === masked) continue;
    if (code < least) [least, lowCell] = [code, cell];
    if (code > most) [most, highCell] = [code, cell];
  }
  return extremesOf(frame, least, most, lowCell, highCell);
}

function extremesOf(frame: Frame, least: number, most: number, lowCell: number, highCell: number): Extremes | null {
  if (most < 0) return null;
  const step = scaleOf(frame);
  return { low: frame.low + step * least, high: frame.low + step * most, lowCell, highCell };
}

/** A field's values in bins of one width over a scale, and how many lie beyond it or have none. */
export interface Histogram {
  readonly bins: number[];
  readonly below: number;
  readonly above: number;
  readonly masked: number;
}

export function countValues(frame: Frame, low: number, high: number, count = 32): Histogram {
  const perCode = new Uint32Array(2 ** frame.bits);
  for (let cell = 0; cell < frame.codes.length; cell += 1) {
    const code = frame.codes[cell] as number;
    perCode[code] = (perCode[code] as number) + 1;
  }
  const bins = new Array<number>(count).fill(0);
  const step = scaleOf(frame);
  const slack = 0.5 * step; // a value by its code is that far off
  let [below, above, masked] = [0, 0, 0];
  perCode.forEach((cells, code) => {
    if (cells === 0) return;
    const value = frame.low + step * code;
    if (code === frame.masked) masked += cells;
    else if (value < low - slack) below += cells;
    else if (value > high + slack) above += cells;
    else {
      const bin = high > low ? Math.floor(((value - low) / (high - low)) * count) : 0;
      const place = Math.max(0, Math.min(count - 1, bin));
      bins[place] = (bins[place] as number) + cells;
    }
  });
  return { bins, below, above, masked };
}

/** Round ends of a scale for a map: those of differences are symmetric about zero. */
export function symmetric(low: number, high: number): readonly [number, number] {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}
