/** What the pages of live runs ask the server, and what they tell it. */
import { queryOptions } from "@tanstack/react-query";
import { api, fetchRaw, ok, type Schemas } from "@/api/client";
import { pollWhile } from "@/api/query";
import { defined } from "@/lib/search";
import type { FieldName } from ".";
import { isOver, type RunState } from "./states";
import type { LiveEvent } from "./timeline";

export type Run = Schemas["LiveRunOut"];
export type Alert = Schemas["AlertOut"];
export type Accepted = Schemas["AcceptedOut"];

export function runListQuery(filters: { state?: RunState[]; all?: true }) {
  const query = defined({ status: filters.state, all: filters.all, limit: 200 });
  return queryOptions({
    queryKey: ["runs", "list", filters],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/engine/runs", { params: { query }, signal })),
    refetchInterval: 3_000,
  });
}

export function runQuery(runId: string) {
  return queryOptions({
    queryKey: ["runs", runId],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/engine/runs/{run_id}", { params: { path: { run_id: runId } }, signal })),
    refetchInterval: pollWhile<Run>((run) => run !== undefined && !isOver(run.status)),
  });
}

export function alertsQuery(runId: string, isLiving: boolean) {
  return queryOptions({
    queryKey: ["alerts", "run", runId],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/alerts", { params: { query: { run: runId, limit: 100 } }, signal })).then((page) => page.items),
    refetchInterval: isLiving ? 2_000 : false,
  });
}

export function rulesQuery(runId: string) {
  return queryOptions({
    queryKey: ["runs", runId, "rules"],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/engine/runs/{run_id}/rules", { params: { path: { run_id: runId } }, signal })),
    staleTime: 30_000,
  });
}

export function commandsQuery(runId: string) {
  return queryOptions({
    queryKey: ["runs", runId, "commands"],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/engine/runs/{run_id}/commands", { params: { path: { run_id: runId }, query: { limit: 500 } }, signal }))
        .then((list) => (list as Schemas["LiveCommandList"]).items),
  });
}

export function checkpointsQuery(runId: string) {
  return queryOptions({
    queryKey: ["runs", runId, "checkpoints"],
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/engine/runs/{run_id}/checkpoints", { params: { path: { run_id: runId } }, signal })),
  });
}

/** Events of a run from its first one on. */
export async function fetchEvents(runId: string, after: number): Promise<LiveEvent[]> {
  const found: LiveEvent[] = [];
  let next: number | null = after;
  while (next !== null && found.length < 2_000) {
    const query: { after: number; limit: number } = { after: next, limit: 500 };
    const page: Schemas["LiveEventList"] = await ok(
      api.GET("/api/v1/engine/runs/{run_id}/events", { params: { path: { run_id: runId }, query } }),
    );
    found.push(...(page.items as LiveEvent[]));
    next = page.next ?? null;
  }
  return found;
}

/** Samples of the whole run, in as many points as are asked for. */
export function fetchHistory(runId: string, points: number): Promise<Schemas["MetricHistoryOut"]> {
  return ok(
    api.GET("/api/v1/engine/runs/{run_id}/metrics/history", { params: { path: { run_id: runId }, query: { points } } }),
  ) as Promise<Schemas["MetricHistoryOut"]>;
}

/** A field at a tick that has passed, computed again by the server. */
export async function fetchPast(runId: string, field: FieldName, tick: number, codec: string, signal: AbortSignal): Promise<ArrayBuffer> {
  const query = new URLSearchParams({ tick: String(tick), field, codec });
  return (await fetchRaw(`/api/v1/engine/runs/${runId}/frames?${query}`, { signal })).arrayBuffer();
}

/** The newest picture of a field with all its cells. */
export async function fetchWhole(runId: string, field: FieldName, codec: string): Promise<ArrayBuffer> {
  const query = new URLSearchParams({ field, codec, level: "0" });
  return (await fetchRaw(`/api/v1/engine/runs/${runId}/frames?${query}`)).arrayBuffer();
}

export function sendEvent(runId: string, event: Record<string, unknown>, clientId: string): Promise<Accepted> {
  return ok(
    api.POST("/api/v1/engine/runs/{run_id}/events", {
      params: { path: { run_id: runId } },
      body: { ...event, client_id: clientId } as never,
    }),
  ) as Promise<Accepted>;
}

/** End an event that lasts, at the next boundary. */
export function endEvent(runId: string, seq: number): Promise<Accepted> {
  return ok(api.DELETE("/api/v1/engine/runs/{run_id}/events/{seq}", { params: { path: { run_id: runId, seq } } })) as Promise<Accepted>;
}

/** Pictures of a span of the past, evenly spread; the server computes them again. */
export async function fetchSpan(runId: string, field: FieldName, until: number, count: number, signal: AbortSignal): Promise<ArrayBuffer> {
  const query = new URLSearchParams({ from_tick: "0", to_tick: String(until), count: String(count), field, codec: "none", level: "0" });
  return (await fetchRaw(`/api/v1/engine/runs/${runId}/frames?${query}`, { signal })).arrayBuffer();
}

const path = (runId: string) => ({ params: { path: { run_id: runId }, header: { "idempotency-key": crypto.randomUUID() } } });

/** Commands without a body, by their words. */
export const commands = {
  pause: (id: string) => ok(api.POST("/api/v1/engine/runs/{run_id}/pause", path(id))),
  resume: (id: string) => ok(api.POST("/api/v1/engine/runs/{run_id}/resume", path(id))),
  stop: (id: string) => ok(api.POST("/api/v1/engine/runs/{run_id}/stop", path(id))),
  checkpoint: (id: string) => ok(api.POST("/api/v1/engine/runs/{run_id}/checkpoints", path(id))),
  step: (id: string, ticks: number) => ok(api.POST("/api/v1/engine/runs/{run_id}/step", { ...path(id), body: { ticks } })),
  speed: (id: string, speed: number | "max") => ok(api.PUT("/api/v1/engine/runs/{run_id}/speed", { ...path(id), body: { speed } })),
  model: (id: string, model: Run["model"]) => ok(api.PUT("/api/v1/engine/runs/{run_id}/model", { ...path(id), body: { model } })),
  branch: (id: string, body: Schemas["BranchIn"]) => ok(api.POST("/api/v1/engine/runs/{run_id}/branches", { ...path(id), body })),
} as const;

export function acknowledge(alertId: string): Promise<Alert> {
  return ok(api.POST("/api/v1/alerts/{alert_id}/acknowledge", { params: { path: { alert_id: alertId } }, body: {} }));
}
