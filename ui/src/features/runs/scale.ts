/** Ends of a scale that is fixed over a run: they only ever widen, in round steps, so that colours can be compared. */

export interface Span {
  readonly low: number;
  readonly high: number;
}

/** Return a span with round ends around another one: 21.3 to 83.8 becomes 20 to 85. */
export function roundSpan({ low, high }: Span): Span {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return { low: 0, high: 1 };
  const width = high - low;
  const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-6;
  if (width <= least) {
    const room = Math.max(0.5, Math.abs(low) * 0.01);
    return roundSpan({ low: low - room, high: high + room });
  }
  const raw = width / 16;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * (raw / power <= 1 ? 1 : raw / power <= 2 ? 2 : raw / power <= 5 ? 5 : 10);
  const round = (value: number) => Number(value.toPrecision(12));
  return { low: round(Math.floor(low / step + 1e-9) * step), high: round(Math.ceil(high / step - 1e-9) * step) };
}

/** The scale of one field of one run. */
export class RunScale {
  private seen: Span | null = null;
  private shown: Span = { low: 0, high: 1 };

  constructor(private readonly least: Span | null = null) {
    if (least !== null) this.widen(least.low, least.high);
  }

  /** Take what was seen; returns true where the ends moved. */
  widen(low: number, high: number): boolean {
    if (!Number.isFinite(low) || !Number.isFinite(high)) return false;
    const before = this.shown;
    if (this.seen !== null && low >= before.low && high <= before.high) return false;
    this.seen = this.seen === null ? { low, high } : { low: Math.min(low, this.seen.low), high: Math.max(high, this.seen.high) };
    this.shown = roundSpan(this.seen);
    if (this.least !== null) {
      this.shown = { low: Math.min(this.shown.low, this.least.low), high: Math.max(this.shown.high, this.least.high) };
    }
    return this.shown.low !== before.low || this.shown.high !== before.high;
  }

  get span(): Span {
    return this.shown;
  }
}

/** The least that a field's scale shows: limits that have a meaning of their own. */
export const LEAST_SPANS: Readonly<Record<string, Span | null>> = {
  temperature: null, stress: null, utilisation: { low: 0, high: 1 }, damage: { low: 0, high: 1 }, state: { low: 0, high: 2 },
};
