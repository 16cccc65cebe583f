/** What the jobs pages ask the server. */
import { type InfiniteData, infiniteQueryOptions, type QueryClient, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { freshFor, pollWhile, unlessTold } from "@/api/query";
import { isFinal } from "@/components/states";
import { defined } from "@/lib/search";
import { RECENT, type readListSearch } from ".";

export type JobFilters = ReturnType<typeof readListSearch>;
export type Job = Schemas["JobOut"];
export type JobRow = Schemas["JobSummaryOut"];
export type JobRowPage = Schemas["JobSummaryPage"];

const PAGE_ROWS = 200;
const HEAD_ROWS = 50; // the newest rows, asked again while the list is open
const HEAD_MS = 3_000;

/** Filters as the server's parameters; a time such as `24h` is counted from now. */
export function toQuery(filters: JobFilters, now = Date.now()) {
  const recent = RECENT[filters.from as keyof typeof RECENT] as number | undefined;
  return defined({
    view: "summary" as const,
    status: filters.status,
    reason: filters.reason as Schemas["Reason"][] | undefined,
    verdict: filters.verdict,
    label: filters.label,
    simulation: filters.sim,
    sweep: filters.sweep,
    q: filters.q,
    created_from: recent === undefined ? filters.from : new Date(now - 1000 * recent).toISOString(),
    created_to: filters.to,
  });
}

/** The list of jobs, by cursor, newest first. */
export function jobListQuery(filters: JobFilters) {
  return infiniteQueryOptions({
    queryKey: ["jobs", "list", filters],
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...toQuery(filters), ...defined({ limit: PAGE_ROWS, after: pageParam }) };
      return (await ok(api.GET("/api/v1/jobs", { params: { query }, signal }))) as JobRowPage;
    },
    getNextPageParam: (page) => page.next ?? undefined,
    staleTime: Number.POSITIVE_INFINITY, // its head is asked for by itself; a list is read anew when it is opened
    refetchOnMount: "always",
    refetchOnWindowFocus: false,
  });
}

/** The newest rows of a list: what has come, and how those that go on are now. */
export function jobHeadQuery(filters: JobFilters) {
  return queryOptions({
    queryKey: ["jobs", "head", filters],
    queryFn: async ({ signal }) => {
      const query = { ...toQuery(filters), limit: HEAD_ROWS };
      return (await ok(api.GET("/api/v1/jobs", { params: { query }, signal }))) as JobRowPage;
    },
    refetchInterval: unlessTold(HEAD_MS),
    gcTime: 0,
  });
}

/** One job; asked again while it goes on. */
export function jobQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId } }, signal })),
    staleTime: (query) => freshFor(query.state.data !== undefined && isFinal(query.state.data.status)),
    refetchInterval: pollWhile<Job>((job) => job !== undefined && !isFinal(job.status), 1_000),
  });
}

/** A part of a job that never changes once it has ended. */
export function filesQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId, "artifacts"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/artifacts", { params: { path: { job_id: jobId } }, signal })),
  });
}

export function attemptsQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId, "attempts"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/attempts", { params: { path: { job_id: jobId } }, signal })),
  });
}

export function seriesQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId, "series"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/series", { params: { path: { job_id: jobId } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export const labelsQuery = queryOptions({
  queryKey: ["jobs", "labels"],
  queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/labels", { signal })),
  staleTime: 30_000,
});

/** Cancel a job; its answer is what the page shows next. */
export async function cancelJob(queries: QueryClient, jobId: string): Promise<Job> {
  const job = await ok(api.DELETE("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId } } }));
  queries.setQueryData(jobQuery(jobId).queryKey, job);
  const patch = (page: JobRowPage): JobRowPage => ({ ...page, items: page.items.map((row) => (row.id === jobId ? asRow(row, job) : row)) });
  queries.setQueriesData<JobRowPage>({ queryKey: ["jobs", "head"] }, (old) => old && patch(old));
  queries.setQueriesData<InfiniteData<JobRowPage>>({ queryKey: ["jobs", "list"] }, (old) => old && { ...old, pages: old.pages.map(patch) });
  return job;
}

/** A row of the list with what the job itself says now. */
function asRow(row: JobRow, job: Job): JobRow {
  return { ...row, status: job.status, reason: job.reason, message: job.message, finished_at: job.finished_at };
}

/** Remove a job with its files. */
export async function purgeJob(queries: QueryClient, jobId: string): Promise<void> {
  await ok(api.POST("/api/v1/jobs/{job_id}/purge", { params: { path: { job_id: jobId } } }));
  queries.removeQueries({ queryKey: ["jobs", jobId] });
  queries.removeQueries({ queryKey: ["jobs", "list"] });
}
