/** What the pages of users and of one's own account ask the server. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "@/api/client";
import { defined } from "@/lib/search";

export type User = Schemas["UserOut"];
export type Role = User["role"];

const PAGE_ROWS = 200;

/** All users, in the order of their making (administrator). */
export const userListQuery = infiniteQueryOptions({
  queryKey: ["users", "list"],
  initialPageParam: undefined as string | undefined,
  queryFn: ({ pageParam, signal }) =>
    ok(api.GET("/api/v1/users", { params: { query: defined({ limit: PAGE_ROWS, after: pageParam }) }, signal })),
  getNextPageParam: (page) => page.next ?? undefined,
});

/** The sessions of the user that is logged in. */
export const sessionsQuery = queryOptions({
  queryKey: ["users", "me", "sessions"],
  queryFn: async ({ signal }) => (await ok(api.GET("/api/v1/users/me/sessions", { signal }))).items,
});
