/** What one live run shows, outside of React: newest frame, samples in rings, events; painters and figures look here. */
import type { Frame } from "@/lib/frame";
import { isStale } from "@/live/clock";
import { frameKey } from "@/live/protocol";
import { SeriesRings } from "@/live/ring";
import type { LiveSocket } from "@/live/socket";
import type { Subscription } from "@/live/subscription";
import { append, type LiveEvent } from "./timeline";

/** Metrics that trends draw, each by what of a sample is drawn: a peak is never lost between two. */
const DRAWN: Readonly<Record<string, 0 | 1 | 3>> = {
  highest: 1, mean: 3, lowest: 0, utilisation: 1, damage: 1, certificate: 1, share: 1, balance_residual: 1, time_error: 1,
  ratio: 0, lag_s: 1, is_lumped: 3,
};
const MOST_HZ = 30;
const TICKING_MS = 3_000;
const FIGURES_MS = 250; // between two changes of what React shows

export interface Sample {
  readonly first_tick: number;
  readonly end_tick: number;
  readonly time_s: number;
  /** Least, largest, mean, last of each; null where there is none. */
  readonly metrics: Readonly<Record<string, readonly (number | null)[] | null>>;
}

/** The figures of the strip; a new object four times a second at most. */
export interface Figures {
  readonly tick: number | undefined;
  readonly time: number | undefined;
  readonly metrics: Readonly<Record<string, number | null>>;
  /** Age of the newest data [ms], and whether that is too old. */
  readonly ageMs: number | undefined;
  readonly isStale: boolean;
  /** Whether its ticks have gone on within the last seconds. */
  readonly isTicking: boolean;
  /** What the server said of the pictures: slow, paused, interrupted, others that look. */
  readonly notice: string | undefined;
  readonly viewers: number;
  readonly frames: number;
  readonly error: string | undefined;
}

const NOTHING: Figures = {
  tick: undefined, time: undefined, metrics: {}, ageMs: undefined, isStale: false, isTicking: false, notice: undefined, viewers: 0, frames: 0,
  error: undefined,
};

export interface StreamSources {
  readonly socket: LiveSocket;
  readonly codec: string;
  readonly decode: (bytes: ArrayBuffer) => Promise<Frame>;
  readonly fetchEvents: (runId: string, after: number) => Promise<LiveEvent[]>;
  readonly fetchHistory: (runId: string) => Promise<{ end_tick: number[]; time_s: number[]; metrics: Record<string, Record<string, (number | null)[]>> }>;
  readonly now: () => number;
  /** Whether nobody can see the page: nothing is handed on then. */
  readonly isHidden?: () => boolean;
}

export class RunStream {
  readonly rings = new SeriesRings(Object.keys(DRAWN));
  frame: Frame | null = null;
  private figures: Figures = NOTHING;
  private events: readonly LiveEvent[] = [];
  private changed: Partial<Figures> = {};
  private pictures: Subscription | null = null;
  private readonly topics: Subscription[] = [];
  private readonly painters = new Set<() => void>();
  private readonly listeners = new Set<() => void>();
  private timer = 0;
  private computedMs = 0;
  private intervalMs = 0;
  private isDecoding = false;
  private waiting: { bytes: ArrayBuffer; number: number } | null = null;
  private epoch = 0;
  private movedAt = Number.NEGATIVE_INFINITY; // when its tick was seen to go on [ms]
  private isResting = false; // paused or over: its data do not age

  constructor(readonly runId: string, private readonly from: StreamSources) {}

  /** Begin to follow; returns what ends it. */
  start(): () => void {
    const { socket } = this.from;
    void this.refill();
    this.topics.push(
      socket.subscribe(
        { topic: `run:${this.runId}:metrics`, options: { max_hz: 4 }, isIdleWhileHidden: true },
        {
          onEvent: (data) => this.takeSample(data as Sample),
          onGap: () => void this.refill(),
          onEnd: (reason) => this.end(reason),
        },
      ),
      socket.subscribe(
        { topic: `run:${this.runId}:events`, after: 0 },
        { onEvent: (data) => this.takeEvents([data as LiveEvent]), onGap: () => void this.refetchEvents() },
      ),
    );
    this.timer = window.setInterval(() => this.publish(), FIGURES_MS);
    return () => {
      window.clearInterval(this.timer);
      for (const topic of this.topics.splice(0)) topic.close();
      this.showField(null);
      this.painters.clear();
    };
  }

  /** Follow pictures of a field; null follows none, as while the past is shown. */
  showField(field: string | null): void {
    this.waiting = null;
    if (field === null) {
      this.pictures?.close();
      this.pictures = null;
      return;
    }
    const options = { field, level: 0, max_hz: MOST_HZ, codec: this.from.codec };
    const frames = frameKey(this.runId, field);
    if (this.pictures?.topic.frames === frames) return;
    this.frame = null;
    if (this.pictures !== null) {
      this.pictures.change({ options, frames });
      return;
    }
    this.pictures = this.from.socket.subscribe(
      { topic: `run:${this.runId}:frames`, options, frames, isIdleWhileHidden: true },
      {
        onFrame: (bytes, number) => this.takeFrame(bytes, number),
        onNotice: (notice) => this.takeNotice(notice),
        onEnd: (reason) => this.end(reason),
      },
    );
  }

  /** Say that the newest frame is drawn; called by the painter. */
  grant(frame: Frame): void {
    this.pictures?.grant(frame.number);
  }

  /** Be told of a new frame, to draw it in the next animation frame. */
  readonly onFrame = (painter: () => void): (() => void) => {
    this.painters.add(painter);
    return () => this.painters.delete(painter);
  };

  readonly follow = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getFigures = (): Figures => this.figures;
  readonly getEvents = (): readonly LiveEvent[] => this.events;

  /** Tell whether the run rests, so that its data are not called stale. */
  rest(isResting: boolean): void {
    this.isResting = isResting;
  }

  private takeFrame(bytes: ArrayBuffer, number: number): void {
    this.waiting = { bytes, number }; // a newer one takes the place of one that waits; its grant covers both
    if (!this.isDecoding) void this.decode();
  }

  private async decode(): Promise<void> {
    this.isDecoding = true;
    while (this.waiting !== null) {
      const { bytes, number } = this.waiting;
      this.waiting = null;
      try {
        const frame = await this.from.decode(bytes);
        if (frame.epoch < this.epoch) continue; // of a process that was replaced
        this.epoch = frame.epoch;
        if (`${frame.run}:` !== this.pictures?.topic.frames?.slice(0, 17)) continue;
        if (this.computedMs > 0) this.intervalMs = 0.8 * this.intervalMs + 0.2 * Math.max(0, frame.computedMs - this.computedMs);
        this.frame = frame;
        this.computedMs = Math.max(this.computedMs, frame.computedMs);
        this.change({ tick: frame.tick, time: frame.time, frames: (this.changed.frames ?? this.figures.frames) + 1, error: undefined });
        if (this.painters.size === 0) this.pictures?.grant(number);
        for (const paint of this.painters) paint();
      } catch (error) {
        this.pictures?.grant(number);
        this.change({ error: error instanceof Error ? error.message : String(error) });
      }
    }
    this.isDecoding = false;
  }

  private takeNotice(notice: Readonly<Record<string, unknown>> & { readonly kind: string }): void {
    if (notice.kind === "same") {
      const computed = Number(notice["computed_ms"]);
      if (Number.isFinite(computed)) this.computedMs = Math.max(this.computedMs, computed);
      if (typeof notice["tick"] === "number") this.change({ tick: notice["tick"] });
    } else if (notice.kind === "viewers") {
      this.change({ viewers: Number(notice["others"]) || 0 });
    } else if (notice.kind === "slow") {
      const isFull = notice["level"] === 0 && Number(notice["max_hz"]) >= MOST_HZ;
      this.change({ notice: isFull ? undefined : "coarser pictures" });
    } else if (notice.kind === "paused" || notice.kind === "interrupted") {
      this.change({ notice: notice.kind });
    } else if (notice.kind === "resumed") {
      this.change({ notice: undefined });
    }
  }

  private takeSample(sample: Sample): void {
    const row: Record<string, number | null> = {};
    const last: Record<string, number | null> = {};
    for (const [name, values] of Object.entries(sample.metrics)) {
      last[name] = values?.[3] ?? null;
      const place = DRAWN[name];
      if (place !== undefined) row[name] = values?.[place] ?? null;
    }
    if (!this.rings.push(sample.end_tick, sample.time_s, row)) return;
    const tick = this.pictures === null || this.frame === null ? { tick: sample.end_tick, time: sample.time_s } : {};
    this.change({ metrics: last, ...tick });
  }

  private takeEvents(events: readonly LiveEvent[]): void {
    const next = append(this.events, events);
    if (next === this.events) return;
    this.events = next;
    this.change({});
  }

  private async refetchEvents(): Promise<void> {
    try {
      this.takeEvents(await this.from.fetchEvents(this.runId, this.events.at(-1)?.n ?? 0));
    } catch {
      return; // the topic itself goes on behind the gap
    }
  }

  /** Read the samples that are kept, before and behind what the socket tells. */
  private async refill(): Promise<void> {
    try {
      const { end_tick: ticks, time_s: times, metrics } = await this.from.fetchHistory(this.runId);
      const late = this.rings.length > 0 ? this.rings.last("highest") : undefined;
      if (late !== undefined && ticks.length === 0) return;
      this.rings.clear();
      const parts = ["min", "max", "mean", "last"] as const;
      ticks.forEach((tick, place) => {
        const row: Record<string, number | null> = {};
        for (const [name, part] of Object.entries(DRAWN)) row[name] = metrics[name]?.[parts[part]]?.[place] ?? null;
        this.rings.push(tick, times[place] ?? Number.NaN, row);
      });
      const end = ticks.length - 1;
      const last = Object.fromEntries(Object.entries(metrics).map(([name, columns]) => [name, columns["last"]?.[end] ?? null]));
      if (end >= 0 && Object.keys(this.figures.metrics).length === 0) {
        this.change({ metrics: last, ...(this.frame === null ? { tick: ticks[end], time: times[end] } : {}) });
      }
    } catch {
      return; // a run that waits has none; what comes by the socket is drawn all the same
    }
  }

  private end(reason: string): void {
    this.isResting = true;
    this.change({ notice: reason === "stopped" ? undefined : reason });
  }

  private change(part: Partial<Figures>): void {
    const tick = this.changed.tick ?? this.figures.tick;
    if (part.tick !== undefined && tick !== undefined && part.tick > tick) this.movedAt = this.from.now();
    this.changed = { ...this.changed, ...part };
  }

  /** Hand the figures on, four times a second; the age changes by itself. */
  private publish(): void {
    if (this.from.isHidden?.() === true) return;
    const { clock } = this.from.socket;
    const ageMs = this.computedMs === 0 ? undefined : clock.age(this.computedMs, this.from.now());
    const stale = !this.isResting && ageMs !== undefined && isStale(ageMs, Math.min(this.intervalMs, 2_000));
    const isTicking = this.from.now() - this.movedAt < TICKING_MS;
    const isSame = Object.keys(this.changed).length === 0 && stale === this.figures.isStale && isTicking === this.figures.isTicking && round(ageMs) === round(this.figures.ageMs);
    if (isSame) return;
    this.figures = { ...this.figures, ...this.changed, ageMs, isStale: stale, isTicking };
    this.changed = {};
    for (const listener of [...this.listeners]) listener();
  }
}

/** Ages are shown to a tenth of a second. */
function round(ageMs: number | undefined): number | undefined {
  return ageMs === undefined ? undefined : Math.round(ageMs / 100);
}
