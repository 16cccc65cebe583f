/** Saved views: addresses of lists under names of the user's own, kept by the server for all browsers of that user. */
import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";
import { ProblemError } from "./problems";

/** A view: the query string of a list, under a name. */
export interface SavedView {
  readonly name: string;
  readonly query: string;
}

/** Views by the page that they are of, as in `jobs`. */
export type Views = Readonly<Record<string, readonly SavedView[]>>;

export interface ViewsAnswer {
  readonly version: number;
  readonly views: Views;
}

const PRECONDITION_FAILED = 412;
const TRIES = 3;

export const viewsQuery = queryOptions({
  queryKey: ["users", "me", "views"],
  queryFn: async ({ signal }) => readViews(await ok(api.GET("/api/v1/users/me/views", { signal }))),
  staleTime: 60_000,
});

/**
 * Change the views that are there now, whatever another tab has saved meanwhile.
 *
 * @param change Gets the newest views and returns what shall be saved; called again where another tab was faster.
 * @throws ProblemError where the server refuses, as it does for more than 16 KiB.
 */
export async function changeViews(known: ViewsAnswer, change: (views: Views) => Views): Promise<ViewsAnswer> {
  let current = known;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const params = { header: { "if-match": `"${current.version}"` } };
      const body = { views: change(current.views) as Schemas["ViewsIn"]["views"] };
      return readViews(await ok(api.PUT("/api/v1/users/me/views", { params, body })));
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== PRECONDITION_FAILED || attempt === TRIES) throw error;
      current = readViews(await ok(api.GET("/api/v1/users/me/views")));
    }
  }
}

/** Read views without trust: any program of the user may have written the document. */
export function readViews(answer: Pick<Schemas["ViewsOut"], "version" | "views">): ViewsAnswer {
  const views = Object.entries(answer.views).map(([page, list]) => [page, Array.isArray(list) ? list.filter(isView) : []] as const);
  return { version: answer.version, views: Object.fromEntries(views) };
}

function isView(raw: unknown): raw is SavedView {
  if (typeof raw !== "object" || raw === null) return false;
  const { name, query } = raw as Record<string, unknown>;
  return typeof name === "string" && typeof query === "string" && (query === "" || query.startsWith("?"));
}

/** Return the views with one more of a page; one of the same name is replaced. */
export function withView(views: Views, page: string, view: SavedView): Views {
  return { ...views, [page]: [...(views[page] ?? []).filter(({ name }) => name !== view.name), view] };
}

export function withoutView(views: Views, page: string, name: string): Views {
  return { ...views, [page]: (views[page] ?? []).filter((view) => view.name !== name) };
}
