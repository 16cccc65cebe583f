/** What the server tells of its simulations: names, units and meaning of what each takes and gives. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Simulation = Schemas["SimulationOut"];
const VERSION_FRESH_MS = 10 * 60_000; // they change with the server's version alone

export const simulationsQuery = queryOptions({
  queryKey: ["simulations"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/simulations", { signal })),
  staleTime: VERSION_FRESH_MS,
});

/** One simulation; nothing is asked where a job has none. */
export function simulationQuery(name: string | null | undefined) {
  return queryOptions({
    queryKey: ["simulations", name],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/simulations/{name}", { params: { path: { name: name ?? "" } }, signal })),
    enabled: typeof name === "string",
    staleTime: VERSION_FRESH_MS,
  });
}
