/** A field at a moment, as painters and tables take it; `live/frames.ts` decodes it. */

/** Circumstances of a frame: bits of `flags`. */
export const FLAGS = { lumped: 1, catchingUp: 2, notLive: 4, paused: 8, degraded: 16, estimate: 32 } as const;

export interface Frame {
  /** Number of axes of the shape. */
  readonly dimension: number;
  /** Cells along x, y and z; trailing axes of one cell are left out. */
  readonly shape: readonly number[];
  readonly bits: number;
  /** Value of code 0, in the field's unit. */
  readonly low: number;
  /** Value of the largest code that has one. */
  readonly high: number;
  /** In C order, x slowest. */
  readonly codes: Uint16Array;
  /** The code of cells without a value, or null where every cell has one. */
  readonly masked: number | null;
  /** Simulated time [s]. */
  readonly time: number;
  /** Step of a live run, or index of the output time of a finished job. */
  readonly tick: number;
  /** `temperature` and so on; `requested` for the field that a request named. */
  readonly name: string;
  /** As the schema writes units; empty for a field that a request named. */
  readonly unit: string;
  /** 2^level cells of the full grid along an axis for one of the frame. */
  readonly level: number;
  /** First cell in the full grid. */
  readonly origin: readonly [number, number, number];
  /** Bits of `FLAGS`. */
  readonly flags: number;
  /** Number of the frame among those of its field and level: what is acknowledged. */
  readonly number: number;
  /** Of the run's owner; frames of an older one are dropped. */
  readonly epoch: number;
  /** When it was computed, milliseconds since 1970. */
  readonly computedMs: number;
  /** Largest error of a value by its code. */
  readonly error: number;
  /** First 8 bytes of the run's or job's identifier, in hexadecimal. */
  readonly run: string;
  /** Least and largest code with their cells, where the decoder has counted them; -1 where no cell has a value. */
  readonly extremes?: { readonly least: number; readonly leastCell: number; readonly most: number; readonly mostCell: number } | undefined;
  /** Number of the frame among all that were decoded here. */
  readonly serial?: number | undefined;
  /** What differs from another frame of the same shape, as a range of cells along x; null where that is not known. */
  readonly changed?: { readonly since: number; readonly first: number; readonly end: number } | null;
}

/** Return the values of a frame in C order, NaN in cells without one. */
export function toValues(frame: Frame): Float64Array {
  const { codes, low, masked } = frame;
  const scale = scaleOf(frame);
  const values = new Float64Array(codes.length);
  for (let cell = 0; cell < codes.length; cell += 1) {
    const code = codes[cell] as number;
    values[cell] = code === masked ? Number.NaN : low + scale * code;
  }
  return values;
}

/** Return the difference of two values whose codes differ by one. */
export function scaleOf(frame: Pick<Frame, "low" | "high" | "bits">): number {
  return (frame.high - frame.low) / (2 ** frame.bits - 2);
}
