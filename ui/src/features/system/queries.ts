/** What the system's page asks the server. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok } from "@/api/client";
import { EVERY_MS } from "@/api/service";
import { defined } from "@/lib/search";
import type { readSearch } from ".";

export type AuditFilters = Omit<ReturnType<typeof readSearch>, "tab">;

/** Versions, workers, queues and disk: of administrators alone. */
export const systemQuery = queryOptions({
  queryKey: ["system"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/system", { signal })),
  refetchInterval: EVERY_MS,
});

/** Modes of the service's parts, and of the caller's live runs. */
export const modesQuery = queryOptions({
  queryKey: ["modes"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/modes", { signal })),
  refetchInterval: EVERY_MS,
});

const PAGE_ROWS = 100;

/** The audit log, newest first, by cursor. */
export function auditQuery(filters: AuditFilters) {
  return infiniteQueryOptions({
    queryKey: ["audit", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => {
      const query = defined({ limit: PAGE_ROWS, after: pageParam, ...filters });
      return ok(api.GET("/api/v1/audit", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next ?? undefined,
  });
}
