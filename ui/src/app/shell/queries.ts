/** What the strip asks every few seconds, on every page, while the tab is seen. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { has } from "@/api/operations";

const EVERY_MS = 5_000;
const SEVERITIES = ["critical", "high", "medium", "low"] as const;

export const healthQuery = queryOptions({
  queryKey: ["health"],
  // 503 carries the same document: which part is away
  queryFn: async ({ signal }): Promise<Schemas["HealthOut"]> => {
    const response = await fetch("/health", { signal, cache: "no-store" });
    return (await response.json()) as Schemas["HealthOut"];
  },
  refetchInterval: EVERY_MS,
  retry: false,
});

export const statsQuery = queryOptions({
  queryKey: ["jobs", "stats"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/stats", { signal })),
  refetchInterval: EVERY_MS,
});

export const meQuery = queryOptions({
  queryKey: ["users", "me"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/users/me", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

export interface WorstAlert {
  readonly count: number;
  readonly severity: (typeof SEVERITIES)[number] | null;
}

export const worstAlertQuery = queryOptions({
  queryKey: ["alerts", "worst"],
  enabled: has("GET /api/v1/alerts"),
  queryFn: async ({ signal }): Promise<WorstAlert> => {
    const query = { state: ["firing" as const], limit: 200 };
    const page = await ok(api.GET("/api/v1/alerts", { params: { query }, signal }));
    const heard = page.items.filter((alert) => alert.silence === null && alert.inhibited_by === null);
    const severity = SEVERITIES.find((name) => heard.some((alert) => alert.severity === name)) ?? null;
    return { count: heard.length, severity };
  },
  refetchInterval: EVERY_MS,
});
