/** What several pages ask of the service itself: the strip, the overview, the system's page and the account's. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";
import { has } from "./operations";
import { unlessTold } from "./query";

export const EVERY_MS = 5_000;

export const healthQuery = queryOptions({
  queryKey: ["health"],
  // 503 carries the same document: which part is away
  queryFn: async ({ signal }): Promise<Schemas["HealthOut"]> => {
    const response = await fetch("/health", { signal, cache: "no-store" });
    return (await response.json()) as Schemas["HealthOut"];
  },
  refetchInterval: EVERY_MS, // a server that hangs tells nothing, and a worker that stops is not always told of
  retry: false,
});

export const statsQuery = queryOptions({
  queryKey: ["jobs", "stats"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/stats", { signal })),
  refetchInterval: unlessTold(EVERY_MS),
});

export const meQuery = queryOptions({
  queryKey: ["users", "me"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/users/me", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Alerts that fire or hold, newest first: the strip's worst one is of these. */
export const openAlertsQuery = queryOptions({
  queryKey: ["alerts", "open"],
  enabled: has("GET /api/v1/alerts"),
  queryFn: async ({ signal }): Promise<readonly Schemas["AlertOut"][]> => {
    const query = { state: ["firing" as const, "holding" as const], limit: 200 };
    return (await ok(api.GET("/api/v1/alerts", { params: { query }, signal }))).items;
  },
  refetchInterval: unlessTold(EVERY_MS),
});
