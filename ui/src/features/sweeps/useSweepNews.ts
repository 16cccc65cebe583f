/** How a sweep goes on, by the socket: its counts as they are told, its points asked for while they change. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { live } from "@/components/live";
import { Refresher } from "@/components/useNews";
import { isRecord } from "@/lib/json";
import type { Sweep } from "./queries";

const COLUMNS_MS = 2_000; // between two readings of all points

/** Follow a sweep until it has ended. */
export function useSweepNews(sweepId: string, isFollowed: boolean): void {
  const queries = useQueryClient();
  useEffect(() => {
    if (!isFollowed) return;
    const refresher = new Refresher((stale) => {
      for (const queryKey of stale) void queries.invalidateQueries({ queryKey: [...queryKey] });
    });
    const all = () => refresher.add([["sweeps", sweepId]], 0);
    const subscription = live.subscribe(
      { topic: `sweep:${sweepId}`, isIdleWhileHidden: true },
      {
        onEvent: (data) => {
          takeCounts(queries, sweepId, data);
          refresher.add([["sweeps", sweepId, "columns"]], COLUMNS_MS);
        },
        onResume: all,
        onEnd: all,
      },
    );
    return () => {
      subscription.close();
      refresher.stop();
    };
  }, [queries, sweepId, isFollowed]);
}

function takeCounts(queries: QueryClient, sweepId: string, data: unknown): void {
  if (!isRecord(data) || !isRecord(data["counts"]) || typeof data["ended"] !== "number") return;
  const counts = data["counts"] as Sweep["by_status"];
  const ended = data["ended"];
  queries.setQueryData<Sweep>(["sweeps", sweepId], (old) => old && { ...old, by_status: { ...old.by_status, ...counts }, progress: ended / Math.max(1, old.points) });
}
