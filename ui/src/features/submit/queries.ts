/** What the submission page asks the server. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, fetchRaw, ok, type Schemas } from "@/api/client";
import type { Schema } from "@/lib/schema";
import type { Submission } from "./draft";

export type Price = Schemas["PricedSubmissionOut"];
const VERSION_FRESH_MS = 10 * 60_000; // simulations change with the server's version alone

/** The schema of a part that a simulation's own schema leaves open, by the address that it names. */
export function partSchemaQuery(address: string | undefined) {
  return queryOptions({
    queryKey: ["simulations", "part", address],
    queryFn: async ({ signal }) => (await (await fetchRaw(address ?? "", { signal })).json()) as Schema,
    enabled: address !== undefined,
    staleTime: VERSION_FRESH_MS,
  });
}

/** What a submission would cost, and which points would be refused; nothing is stored. */
export function priceQuery(submission: Submission | null) {
  return queryOptions({
    queryKey: ["submit", "price", JSON.stringify(submission)],
    queryFn: async ({ signal }) => {
      const body = submission as unknown as Schemas["SubmissionIn"];
      return (await ok(api.POST("/api/v1/jobs", { params: { query: { dry_run: true } }, body, signal }))) as unknown as Price;
    },
    enabled: submission !== null,
    staleTime: 10_000,
    retry: false,
    placeholderData: keepPreviousData,
  });
}

/** Submit for good. The same key twice is one submission, so that a double click or a lost answer is none. */
export async function submit(submission: Submission, key: string) {
  const body = submission as unknown as Schemas["SubmissionIn"];
  const params = { header: { "idempotency-key": key }, query: {} };
  return (await ok(api.POST("/api/v1/jobs", { params, body }))) as unknown as Schemas["SubmissionOut"];
}
