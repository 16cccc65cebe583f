/** What a rod was over time: a column for a tick, as many as a picture can show, made a frame that a heatmap draws. */
import { type Frame, scaleOf } from "@/lib/frame";

const MOST_ROWS = 512;
const BITS = 16;
const MASKED = 2 ** BITS - 1;
const GAP = 1 / 40; // of the whole time: beyond it nothing is known

interface Column {
  readonly tick: number;
  readonly values: Float32Array;
}

/**
 * Columns in the order of their ticks, evenly spread: where there are twice as many as are shown, they are thinned to
 * the spacing of a picture, so that a run of any length takes as much memory, and its past as many columns as its end.
 */
export class SpaceTime {
  private columns: Column[] = [];
  private spacing = 1; // ticks between two columns, at least
  /** Counts changes, so that a painter knows whether there is anything new. */
  version = 0;

  constructor(readonly most: number = 240) {}

  get length(): number {
    return this.columns.length;
  }

  /** Take frames, of any time; of a tick that is known the newer one stays. */
  add(frames: readonly Frame[]): void {
    const fresh = frames.map((frame) => ({ tick: frame.tick, values: valuesOf(frame) }));
    const [only] = fresh;
    if (fresh.length === 1 && only !== undefined && only.tick > (this.columns.at(-1)?.tick ?? -1)) this.append(only);
    else {
      const byTick = new Map([...this.columns, ...fresh].map((column) => [column.tick, column]));
      this.columns = [...byTick.values()].sort((a, b) => a.tick - b.tick);
    }
    if (this.columns.length > 2 * this.most) this.thin();
    this.version += 1;
  }

  /** Put a column at the end; the one before stays where it is far enough from its own neighbour. */
  private append(column: Column): void {
    const [last, before] = [this.columns.at(-1), this.columns.at(-2)];
    if (last !== undefined && before !== undefined && last.tick - before.tick < this.spacing) this.columns.pop();
    this.columns.push(column);
  }

  private thin(): void {
    const [first, last] = [this.columns[0] as Column, this.columns.at(-1) as Column];
    this.spacing = Math.max(1, Math.ceil((last.tick - first.tick) / this.most));
    let kept = Number.NEGATIVE_INFINITY;
    this.columns = this.columns.filter((column) => {
      if (column !== last && column.tick - kept < this.spacing) return false;
      kept = column.tick;
      return true;
    });
  }

  clear(): void {
    this.columns = [];
    this.spacing = 1;
    this.version += 1;
  }

  /**
   * Make the picture: time to the right from tick 0 to an end, x upwards; null before there is a column.
   *
   * @param rows Cells along x.
   */
  toFrame(low: number, high: number, end: number, rows: number): Frame | null {
    const [first] = this.columns;
    if (first === undefined || end <= 0) return null;
    const height = Math.min(rows, MOST_ROWS);
    const width = Math.min(this.most, end + 1);
    const codes = new Uint16Array(width * height);
    let near = 0;
    for (let column = 0; column < width; column += 1) {
      const tick = ((column + 0.5) / width) * end;
      while (near + 1 < this.columns.length && this.away(near + 1, tick) <= this.away(near, tick)) near += 1;
      const isKnown = this.away(near, tick) <= Math.max(2, GAP * end);
      fill(codes, column * height, height, isKnown ? (this.columns[near] as Column).values : null, low, high);
    }
    return {
      dimension: 2, shape: [width, height], bits: BITS, low, high, codes, masked: MASKED, time: 0, tick: end, name: "space-time", unit: "",
      level: 0, origin: [0, 0, 0], flags: 0, number: this.version, epoch: 0, computedMs: 0, error: 0, run: "",
    };
  }

  private away(place: number, tick: number): number {
    return Math.abs((this.columns[place] as Column).tick - tick);
  }
}

function valuesOf(frame: Frame): Float32Array {
  const step = scaleOf(frame);
  return Float32Array.from(frame.codes, (code) => (code === frame.masked ? Number.NaN : frame.low + step * code));
}

/** Codes of one column, by the nearest cell; values beyond the scale take its ends. */
function fill(codes: Uint16Array, from: number, rows: number, values: Float32Array | null, low: number, high: number): void {
  const factor = high > low ? (MASKED - 1) / (high - low) : 0;
  for (let row = 0; row < rows; row += 1) {
    const value = values === null ? Number.NaN : (values[Math.floor(((row + 0.5) / rows) * values.length)] ?? Number.NaN);
    codes[from + row] = Number.isNaN(value) ? MASKED : Math.round(Math.max(0, Math.min(MASKED - 1, factor * (value - low))));
  }
}
