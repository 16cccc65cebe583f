/** Defaults of TanStack Query, and helpers that features share. */
import { QueryClient } from "@tanstack/react-query";
import { isTransient } from "./problems";

export const LIST_FRESH_MS = 5_000;
const MOST_RETRIES = 3;
const POLL_MS = 2_000;

/** Make the client of a tab. Keys are `[noun, id, part]`, as in `["jobs", id, "artifacts"]`. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: LIST_FRESH_MS,
        retry: (failures, error) => isTransient(error) && failures < MOST_RETRIES,
        networkMode: "always", // a server on this machine answers without a network
        refetchOnWindowFocus: true,
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
}

/** Poll while something still changes; a hidden tab asks nothing. For `refetchInterval`. */
export function pollWhile<Data>(isChanging: (data: Data | undefined) => boolean, everyMs = POLL_MS) {
  return (query: { state: { data?: Data | undefined } }): number | false =>
    isChanging(query.state.data) ? everyMs : false;
}

/** Freshness of what never changes again, such as a finished job. */
export function freshFor(isFinal: boolean): number {
  return isFinal ? Number.POSITIVE_INFINITY : LIST_FRESH_MS;
}

let isTold = false;
const TOLD_MS = 60_000; // what the socket tells of is asked for all the same, in case that something was missed

/** Say whether the socket tells what changes; returns whether that is new. */
export function setTold(isNow: boolean): boolean {
  const isNew = isTold !== isNow;
  isTold = isNow;
  return isNew;
}

/** Poll what the socket tells of only while it does not. For `refetchInterval`. */
export function unlessTold(everyMs: number, toldMs = TOLD_MS): () => number {
  return () => (isTold ? toldMs : everyMs);
}
