/** The server's clock as seen from here, and the age of what is shown. */

const KEPT = 8; // answers to the ping of which the quickest counts
const STALE_MS = 2_000;
const FRAMES_MISSED = 3;

/** Estimates server time less local time from pings: the one with the smallest round trip is the least wrong. */
export class ServerClock {
  private readonly answers: { readonly roundTrip: number; readonly offset: number }[] = [];

  /**
   * Take an answer to a ping.
   *
   * @param sent Local time at which it left [ms].
   * @param server Server time in the answer [ms].
   * @param received Local time at which the answer came [ms].
   */
  observe(sent: number, server: number, received: number): void {
    const roundTrip = received - sent;
    if (!(roundTrip >= 0) || !Number.isFinite(server)) return; // the local clock was set back meanwhile
    this.answers.push({ roundTrip, offset: server - (sent + received) / 2 });
    if (this.answers.length > KEPT) this.answers.shift();
  }

  /** Server time less local time [ms]; 0 before the first answer. */
  get offset(): number {
    return this.best?.offset ?? 0;
  }

  /** The smallest round trip of the last eight [ms], or undefined. */
  get roundTrip(): number | undefined {
    return this.best?.roundTrip;
  }

  /** Return the age of something that was computed at a server time [ms], at a local time [ms]; never negative. */
  age(computedMs: number, now: number): number {
    return Math.max(0, now + this.offset - computedMs);
  }

  /** Forget what another connection taught. */
  reset(): void {
    this.answers.length = 0;
  }

  private get best() {
    return this.answers.reduce<{ roundTrip: number; offset: number } | undefined>(
      (least, answer) => (least === undefined || answer.roundTrip < least.roundTrip ? answer : least),
      undefined,
    );
  }
}

/** Tell whether data of an age are stale: above 2 s, and above three of the times that lie between two of them [ms]. */
export function isStale(ageMs: number, intervalMs = 0): boolean {
  return ageMs > Math.max(STALE_MS, FRAMES_MISSED * intervalMs);
}
