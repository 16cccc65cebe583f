/** What the sweep pages ask the server. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, fetchRaw, ok, type Schemas } from "@/api/client";
import { freshFor, unlessTold } from "@/api/query";
import { decodeFrames } from "@/live/frames";
import { defined } from "@/lib/search";
import { readPoints } from "./points";

export type Sweep = Schemas["SweepOut"];
const PAGE_ROWS = 100;
const POINTS_MS = 2_000;

export function sweepListQuery(filters: { sim?: string; q?: string }) {
  return infiniteQueryOptions({
    queryKey: ["sweeps", "list", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const query = defined({ limit: PAGE_ROWS, simulation: filters.sim, q: filters.q, after: pageParam });
      return ok(api.GET("/api/v1/sweeps", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: (query) => (query.state.data?.pages.some((page) => page.items.some((sweep) => !sweep.is_finished)) ? 3_000 : unlessTold(60_000)()),
  });
}

/** A sweep in numbers; asked again while points are open and the socket does not tell of them. */
export function sweepQuery(sweepId: string) {
  return queryOptions({
    queryKey: ["sweeps", sweepId],
    queryFn: async ({ signal }) =>
      (await ok(api.GET("/api/v1/sweeps/{sweep_id}", { params: { path: { sweep_id: sweepId }, query: { limit: 1 } }, signal }))) as unknown as Sweep,
    staleTime: (query) => freshFor(query.state.data?.is_finished === true),
    refetchInterval: (query) => (query.state.data?.is_finished === false ? unlessTold(POINTS_MS)() : false),
  });
}

/** All points as columns. The server names the version, so that asking again costs nothing while nothing has changed. */
export function columnsQuery(sweepId: string, isFinished: boolean) {
  return queryOptions({
    queryKey: ["sweeps", sweepId, "columns", isFinished], // the last points end after columns were asked for
    queryFn: async ({ signal }) =>
      readPoints(await ok(api.GET("/api/v1/sweeps/{sweep_id}/columns", { params: { path: { sweep_id: sweepId } }, signal }))),
    staleTime: freshFor(isFinished),
    refetchInterval: isFinished ? false : unlessTold(POINTS_MS),
    placeholderData: keepPreviousData,
    structuralSharing: false, // typed arrays
  });
}

/** The fields of one point, for their units and axes. */
export function jobFieldsQuery(jobId: string | undefined) {
  return queryOptions({
    queryKey: ["jobs", jobId, "fields"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/fields", { params: { path: { job_id: jobId ?? "" } }, signal })),
    enabled: jobId !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The last field of some points, as frames whose `epoch` is the place of the point. */
export function pointFieldsQuery(sweepId: string, name: string | undefined, points: readonly number[]) {
  const query = `points=${points.join(",")}&max_cells=4096`;
  return queryOptions({
    queryKey: ["sweeps", sweepId, "fields", name, points],
    queryFn: async ({ signal }) => {
      const answer = await fetchRaw(`/api/v1/sweeps/${sweepId}/fields/${encodeURIComponent(name ?? "")}?${query}`, { signal });
      return decodeFrames(await answer.arrayBuffer());
    },
    enabled: name !== undefined && points.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
}

export function rerun(sweepId: string, key: string) {
  return ok(
    api.POST("/api/v1/sweeps/{sweep_id}/rerun", {
      params: { path: { sweep_id: sweepId }, header: { "idempotency-key": key } },
      body: { select: "unsuccessful" },
    }),
  );
}

export function cancelSweep(sweepId: string) {
  return ok(api.DELETE("/api/v1/sweeps/{sweep_id}", { params: { path: { sweep_id: sweepId } } }));
}
