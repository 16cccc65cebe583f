/** News of jobs, sweeps and the service by the socket, put into the answers that pages show; polling while there is none. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { setTold } from "@/api/query";
import type { Schemas } from "@/api/client";
import { ALL_TOLD, type Queue, readJobNews, readSystemNews, type Stale, type SweepNews } from "@/lib/news";
import { live } from "./live";

const GAP_MS = 1_000; // between two requests for the same answer
const CROWD_GAP_MS = 5_000; // while more changes than the socket names

/** Keep the answers of a tab fresh; mounted once, by the shell. A tab that is hidden follows nothing. */
export function useNews(): void {
  const queries = useQueryClient();
  useEffect(() => followNews(queries), [queries]);
}

/** A topic that is not followed while the tab is hidden. */
const quiet = (topic: string) => ({ topic, isIdleWhileHidden: true });

function followNews(queries: QueryClient): () => void {
  const refresher = new Refresher((stale) => {
    for (const queryKey of stale) void queries.invalidateQueries({ queryKey: [...queryKey] });
  });
  const takeAll = () => refresher.add(ALL_TOLD, 0);
  let known: unknown;
  const jobs = live.subscribe(quiet("jobs"), {
    onEvent: (data) => {
      const { stale, sweeps, isCrowd } = readJobNews(data);
      for (const sweep of sweeps) moveSweep(queries, sweep);
      refresher.add(stale, isCrowd ? CROWD_GAP_MS : GAP_MS);
    },
    onGap: takeAll,
    onResume: takeAll,
  });
  const system = live.subscribe(quiet("system"), {
    onEvent: (data) => {
      const { queue, stale } = readSystemNews(data, known);
      known = data;
      if (queue !== undefined) setQueue(queries, queue);
      refresher.add(stale, 0);
    },
  });
  const follow = () => {
    if (setTold(live.getLink().state === "open")) takeAll(); // intervals are chosen anew with the next answer
  };
  const unfollow = live.follow(follow);
  follow();
  return () => {
    unfollow();
    jobs.close();
    system.close();
    refresher.stop();
    setTold(false);
  };
}

function setQueue(queries: QueryClient, queue: Queue): void {
  queries.setQueryData<Schemas["JobStats"]>(["jobs", "stats"], (old) => old && { ...old, queue_depth: queue.waiting, running: queue.running });
}

/** Move a sweep that goes on along, wherever a list has it. */
function moveSweep(queries: QueryClient, { id, total, ended }: SweepNews): void {
  queries.setQueriesData<Schemas["SweepPage"]>({ queryKey: ["sweeps", "overview"] }, (old) => {
    if (old === undefined || !old.items.some((sweep) => sweep.id === id)) return old;
    return { ...old, items: old.items.map((sweep) => (sweep.id === id ? { ...sweep, progress: ended / Math.max(1, total) } : sweep)) };
  });
}

/** Collects what is old, and lets it be asked for at once, but no sooner than a gap after the last time. */
export class Refresher {
  readonly #stale = new Map<string, readonly unknown[]>();
  #last = Number.NEGATIVE_INFINITY;
  #timer = 0;
  #due = Number.POSITIVE_INFINITY;

  constructor(readonly refresh: (stale: Stale) => void) {}

  add(stale: Stale, gapMs: number): void {
    if (stale.length === 0) return;
    for (const key of stale) this.#stale.set(JSON.stringify(key), key);
    const due = Math.max(performance.now(), this.#last + gapMs);
    if (due >= this.#due) return;
    window.clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = window.setTimeout(() => this.#flush(), due - performance.now());
  }

  stop(): void {
    window.clearTimeout(this.#timer);
  }

  #flush(): void {
    const stale = [...this.#stale.values()];
    this.#stale.clear();
    this.#last = performance.now();
    this.#due = Number.POSITIVE_INFINITY;
    this.refresh(stale);
  }
}
