/** What the page of alerts asks the server. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { pollWhile } from "@/api/query";
import { defined } from "@/lib/search";
import type { AlertSearch } from ".";

export type Alert = Schemas["AlertOut"];

const MOST = 200;

export function alertListQuery(search: AlertSearch) {
  const isEnded = search.tab === "ended";
  const query = defined({
    state: isEnded ? (["resolved", "unresolved"] as const).slice() : (["firing", "holding"] as const).slice(),
    run: search.run, severity: search.severity, all: search.all, limit: MOST,
  });
  return queryOptions({
    queryKey: ["alerts", "list", query],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/alerts", { params: { query }, signal })),
    refetchInterval: 3_000,
  });
}

export function alertQuery(id: string) {
  return queryOptions({
    queryKey: ["alerts", id],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/alerts/{alert_id}", { params: { path: { alert_id: id } }, signal })),
    refetchInterval: pollWhile<Alert>((alert) => alert !== undefined && (alert.state === "firing" || alert.state === "holding")),
  });
}

export const silencesQuery = queryOptions({
  queryKey: ["silences"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/silences", { params: { query: { limit: MOST } }, signal })),
  refetchInterval: 5_000,
});

/** End a silence; what it hid is told again at once. */
export function endSilence(id: string): Promise<Schemas["SilenceOut"]> {
  return ok(api.DELETE("/api/v1/silences/{silence_id}", { params: { path: { silence_id: id } } }));
}
