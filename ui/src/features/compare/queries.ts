/** What the comparison asks the server. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, fetchRaw, ok, type Schemas } from "@/api/client";
import { freshFor } from "@/api/query";
import { isFinal } from "@/components/states";
import { decodeFrame } from "@/live/frames";
import { defined } from "@/lib/search";

export type Job = Schemas["JobOut"];
export type Difference = Schemas["JobDifferenceOut"];

export function jobQuery(jobId: string | undefined) {
  return queryOptions({
    queryKey: ["jobs", jobId],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}", { params: { path: { job_id: jobId ?? "" } }, signal })),
    enabled: jobId !== undefined,
    staleTime: (query) => freshFor(query.state.data !== undefined && isFinal(query.state.data.status)),
  });
}

export function fieldsQuery(job: Job | undefined) {
  return queryOptions({
    queryKey: ["jobs", job?.id, "fields"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/fields", { params: { path: { job_id: job?.id ?? "" } }, signal })),
    enabled: job?.status === "success",
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });
}

/** Inputs and metrics of two jobs, and norms of one field's difference at a place in the first job's times. */
export function differenceQuery(a: string | undefined, b: string | undefined, field: string | undefined, time: string) {
  return queryOptions({
    queryKey: ["compare", a, b, field, time],
    queryFn: ({ signal }) =>
      ok(
        api.GET("/api/v1/jobs/{job_id}/diff/{other_id}", {
          params: { path: { job_id: a ?? "", other_id: b ?? "" }, query: defined({ field, time: field === undefined ? undefined : time }) }, signal,
        }),
      ),
    enabled: a !== undefined && b !== undefined,
    placeholderData: keepPreviousData,
  });
}

/** One frame at an address of the server. */
export function frameQuery(address: string | undefined) {
  return queryOptions({
    queryKey: ["frames", address],
    queryFn: async ({ signal }) => decodeFrame(await (await fetchRaw(address ?? "", { signal })).arrayBuffer()),
    enabled: address !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
    placeholderData: keepPreviousData,
  });
}

/** Identifiers of a sweep's points in their order, for the neighbours of one. */
export function neighboursQuery(sweepId: string | null | undefined) {
  return queryOptions({
    queryKey: ["sweeps", sweepId, "neighbours"],
    queryFn: async ({ signal }) => {
      const columns = await ok(api.GET("/api/v1/sweeps/{sweep_id}/columns", { params: { path: { sweep_id: sweepId ?? "" } }, signal }));
      return columns.job_id;
    },
    enabled: typeof sweepId === "string",
    staleTime: 60_000,
  });
}
