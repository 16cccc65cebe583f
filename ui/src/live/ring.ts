/** Rings of numbers that are read as one array, whatever their start: every value is written twice. */

export const RING_CAPACITY = 3_600;

/** The newest values of one series. A window is a view into the ring: valid until the next `push`, never a copy. */
export class Ring {
  private readonly values: Float64Array;
  private end = 0; // place of the next value, below the capacity
  private count = 0;

  constructor(readonly capacity: number = RING_CAPACITY) {
    this.values = new Float64Array(2 * capacity);
  }

  get length(): number {
    return this.count;
  }

  get last(): number | undefined {
    return this.count === 0 ? undefined : this.values[this.end + this.capacity - 1];
  }

  push(value: number): void {
    this.values[this.end] = value;
    this.values[this.end + this.capacity] = value;
    this.end = (this.end + 1) % this.capacity;
    this.count = Math.min(this.count + 1, this.capacity);
  }

  /** Return the newest values, the oldest of them first. */
  window(most: number = this.count): Float64Array {
    const taken = Math.min(most, this.count);
    const stop = this.end + this.capacity;
    return this.values.subarray(stop - taken, stop);
  }

  clear(): void {
    this.end = 0;
    this.count = 0;
  }
}

/** Series over one axis that grows: rows by ticks. Rows that are known already, or came late, are left out. */
export class SeriesRings {
  private readonly axis: Ring;
  private readonly rings: Map<string, Ring>;
  private lastTick = Number.NEGATIVE_INFINITY;
  /** Counts what was pushed, so that a painter knows whether there is anything new. */
  version = 0;

  constructor(names: readonly string[], capacity: number = RING_CAPACITY) {
    this.axis = new Ring(capacity);
    this.rings = new Map(names.map((name) => [name, new Ring(capacity)]));
  }

  get length(): number {
    return this.axis.length;
  }

  /**
   * Add a row.
   *
   * @param tick The tick behind the last that the row covers.
   * @param time Value of the axis.
   * @param row Values by name; what has none becomes NaN, which is drawn as a gap.
   */
  push(tick: number, time: number, row: Readonly<Record<string, number | null | undefined>>): boolean {
    if (tick <= this.lastTick) return false;
    this.lastTick = tick;
    this.axis.push(time);
    for (const [name, ring] of this.rings) ring.push(row[name] ?? Number.NaN);
    this.version += 1;
    return true;
  }

  /** Return axis and series as views, in the order of the names. */
  windows(names: readonly string[], most: number = this.axis.length): Float64Array[] {
    return [this.axis.window(most), ...names.map((name) => this.rings.get(name)?.window(most) ?? new Float64Array(0))];
  }

  last(name: string): number | undefined {
    const value = this.rings.get(name)?.last;
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  clear(): void {
    this.axis.clear();
    for (const ring of this.rings.values()) ring.clear();
    this.lastTick = Number.NEGATIVE_INFINITY;
    this.version += 1;
  }
}
