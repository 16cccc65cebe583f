/** What the jobs pages ask the server. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { freshFor, pollWhile } from "@/api/query";
import { isFinal } from "@/components/states";
import { defined } from "@/lib/search";
import type { readListSearch } from ".";

export type JobFilters = ReturnType<typeof readListSearch>;
type SummaryPage = Schemas["JobSummaryPage"];

const PAGE_ROWS = 200;

/** The list of jobs, by cursor, newest first. */
export function jobListQuery(filters: JobFilters) {
  return infiniteQueryOptions({
    queryKey: ["jobs", "list", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const query = defined({
        view: "summary" as const,
        limit: PAGE_ROWS,
        status: filters.status,
        label: filters.label,
        simulation: filters.sim,
        q: filters.q,
        created_from: filters.from,
        created_to: filters.to,
        after: pageParam,
      });
      return (await ok(api.GET("/api/v1/jobs", { params: { query }, signal }))) as SummaryPage;
    },
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

/** One job; asked again while it goes on. */
export function jobQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId } }, signal })),
    staleTime: (query) => freshFor(query.state.data !== undefined && isFinal(query.state.data.status)),
    refetchInterval: pollWhile<Schemas["JobOut"]>((job) => job !== undefined && !isFinal(job.status)),
  });
}
