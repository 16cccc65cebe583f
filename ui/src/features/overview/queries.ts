/** What the overview asks the server. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { has } from "@/api/operations";
import { unlessTold } from "@/api/query";
import { EVERY_MS } from "@/api/service";

type State = Schemas["JobStatus"];
type SummaryPage = Schemas["JobSummaryPage"];

const BAD: readonly State[] = ["failed", "timed_out", "expired"];
const OPEN: readonly State[] = ["starting", "running", "cancelling"];
const WAITING: readonly State[] = ["queued", ...OPEN];

async function summaries(query: Record<string, unknown>, signal: AbortSignal): Promise<SummaryPage> {
  const params = { query: { view: "summary" as const, ...query } };
  return (await ok(api.GET("/api/v1/jobs", { params, signal }))) as SummaryPage;
}

/** A part of the list of jobs, newest first; asked again when the socket tells of a change, every few seconds while it does not. */
function listed(part: string, query: Record<string, unknown>) {
  return queryOptions({
    queryKey: ["jobs", "overview", part],
    queryFn: ({ signal }) => summaries(query, signal),
    refetchInterval: unlessTold(EVERY_MS),
  });
}

export const badJobsQuery = listed("bad", { status: BAD, limit: 200 });
export const doubtfulJobsQuery = listed("doubtful", { verdict: ["failed"], status: ["success"], limit: 50 });
export const openJobsQuery = listed("open", { status: OPEN, points: false, limit: 100 });
export const endedJobsQuery = listed("ended", { status: ["success", "cancelled", ...BAD], points: false, limit: 50 });

/** Sweeps with a point that waits or runs. */
export const openSweepsQuery = queryOptions({
  queryKey: ["sweeps", "overview", "open"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/sweeps", { params: { query: { status: [...WAITING], limit: 20 } }, signal })),
  refetchInterval: unlessTold(EVERY_MS),
});

/** The newest sweeps, whatever became of them. */
export const sweepsQuery = queryOptions({
  queryKey: ["sweeps", "overview", "newest"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/sweeps", { params: { query: { limit: 20 } }, signal })),
  refetchInterval: unlessTold(EVERY_MS),
});

const LIVE: readonly Schemas["RunState"][] = [
  "queued", "starting", "running", "paused", "parked", "interrupted", "resuming", "stopping",
];

/** Live runs that have not ended. */
export const runsQuery = queryOptions({
  queryKey: ["runs", "overview"],
  enabled: has("GET /api/v1/engine/runs"),
  queryFn: ({ signal }) =>
    ok(api.GET("/api/v1/engine/runs", { params: { query: { status: [...LIVE], limit: 20 } }, signal })),
  refetchInterval: unlessTold(EVERY_MS),
});

export type Job = Schemas["JobSummaryOut"];
export type Sweep = Schemas["SweepOut"];
export type Run = Schemas["LiveRunOut"];
export type Alert = Schemas["AlertOut"];
