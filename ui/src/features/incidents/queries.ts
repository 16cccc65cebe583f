/** What the pages of incidents ask the server, and what they tell it. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { pollWhile } from "@/api/query";
import { defined } from "@/lib/search";
import type { readListSearch } from ".";

export type Incident = Schemas["IncidentOut"];
export type Summary = Schemas["IncidentSummary"];
export type Entry = Schemas["EntryOut"];

export function incidentListQuery(filters: ReturnType<typeof readListSearch>) {
  const query = defined({ ...filters, limit: 200 });
  return queryOptions({
    queryKey: ["incidents", "list", filters],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/incidents", { params: { query }, signal })),
    refetchInterval: 5_000,
  });
}

const at = (id: string) => ({ params: { path: { incident_id: id } } });

export function incidentQuery(id: string) {
  return queryOptions({
    queryKey: ["incidents", id],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/incidents/{incident_id}", { ...at(id), signal })),
    refetchInterval: pollWhile<Incident>((incident) => incident !== undefined && incident.state !== "closed", 3_000),
  });
}

/** What a person does with an incident; each is an entry of its timeline. */
export const actions = {
  acknowledge: (id: string) => ok(api.POST("/api/v1/incidents/{incident_id}/acknowledge", { ...at(id), body: {} })),
  assign: (id: string, to: string) => ok(api.POST("/api/v1/incidents/{incident_id}/assign", { ...at(id), body: { to } })),
  note: (id: string, text: string) => ok(api.POST("/api/v1/incidents/{incident_id}/notes", { ...at(id), body: { text } })),
  resolve: (id: string, reason: string) =>
    ok(api.POST("/api/v1/incidents/{incident_id}/resolve", { ...at(id), body: reason === "" ? {} : { reason } })),
} as const;

export const replay = (id: string) => ok(api.POST("/api/v1/incidents/{incident_id}/replay", at(id)));
export const verify = (id: string) => ok(api.GET("/api/v1/incidents/{incident_id}/verify", at(id)));

export function takeStep(id: string, number: number, confirm: boolean) {
  return ok(
    api.POST("/api/v1/incidents/{incident_id}/steps/{number}", { params: { path: { incident_id: id, number } }, body: { confirm } }),
  );
}
