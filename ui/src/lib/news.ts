/** What follows from news of the socket's topics `jobs` and `system`: which answers are old, and what is known without asking. Pure. */
import { isRecord } from "./json";

/** Answers that are old, by the beginnings of their keys. */
export type Stale = readonly (readonly unknown[])[];

export interface SweepNews {
  readonly id: string;
  readonly total: number;
  readonly ended: number;
}

export interface Consequences {
  readonly stale: Stale;
  /** Sweeps that go on, with how far they are: nothing has to be asked for them. */
  readonly sweeps: readonly SweepNews[];
  /** More has changed than is named: all lists are old, but that happens often while much runs. */
  readonly isCrowd: boolean;
}

const ENDED = new Set(["success", "failed", "timed_out", "expired", "cancelled"]);
const BAD = new Set(["failed", "timed_out", "expired"]);
const LISTS: Stale = [["jobs", "overview"], ["jobs", "head"], ["sweeps", "overview"], ["sweeps", "list"], ["jobs", "stats"]];

/** Everything that news can make old: asked for again when news may have been missed. */
export const ALL_TOLD: Stale = [...LISTS, ["alerts", "open"], ["health"], ["runs", "overview"]];

/**
 * Read an event of the topic `jobs`.
 *
 * A point of a sweep that starts or succeeds makes nothing old: its sweep says how far it is. So a sweep of ten thousand
 * points costs no request while it runs.
 */
export function readJobNews(data: unknown): Consequences {
  const stale = new Map<string, readonly unknown[]>();
  const old = (...key: unknown[]) => stale.set(key.join(" "), key);
  const sweeps: SweepNews[] = [];
  for (const job of listOf(data, "jobs")) {
    const { id, status, sweep } = job;
    if (typeof id !== "string" || typeof status !== "string") continue;
    old("jobs", id);
    old("jobs", "head");
    if (typeof sweep !== "string") {
      old("jobs", "overview");
      if (ENDED.has(status)) old("jobs", "stats");
    } else if (BAD.has(status)) old("jobs", "overview", "bad");
  }
  for (const { id, total, ended } of listOf(data, "sweeps")) {
    if (typeof id !== "string" || typeof total !== "number" || typeof ended !== "number") continue;
    sweeps.push({ id, total, ended });
    if (ended === 0 || ended >= total) for (const key of LISTS) old(...key);
    if (ended >= total) old("sweeps", id);
  }
  const isCrowd = isRecord(data) && data["more"] === true;
  if (isCrowd) for (const key of LISTS) old(...key);
  return { stale: [...stale.values()], sweeps, isCrowd };
}

export interface Queue {
  readonly waiting: number;
  readonly running: number;
}

export interface SystemNews {
  readonly queue: Queue | undefined;
  readonly stale: Stale;
}

/** Read an event of the topic `system`; `before` is the one that was known. */
export function readSystemNews(data: unknown, before: unknown): SystemNews {
  const now = isRecord(data) ? data : {};
  const old = isRecord(before) ? before : {};
  const differs = (...names: string[]) => names.some((name) => JSON.stringify(now[name]) !== JSON.stringify(old[name]));
  const stale: (readonly unknown[])[] = [];
  if (differs("alerts")) stale.push(["alerts", "open"], ["runs", "overview"]);
  if (differs("mode", "modes", "workers")) stale.push(["health"], ["system"]);
  const queue = now["queue"];
  const isQueue = isRecord(queue) && typeof queue["waiting"] === "number" && typeof queue["running"] === "number";
  return { queue: isQueue ? (queue as unknown as Queue) : undefined, stale };
}

function listOf(data: unknown, name: string): readonly Record<string, unknown>[] {
  const list = isRecord(data) ? data[name] : undefined;
  return Array.isArray(list) ? list.filter(isRecord) : [];
}
