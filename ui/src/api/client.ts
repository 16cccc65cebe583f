/** The typed client of Grid's REST API: every path, parameter and answer is from the OpenAPI document. */
import createClient from "openapi-fetch";
import { session } from "./browser";
import { ProblemError, readProblem, toDocument } from "./problems";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

/** What a request of a page gets that is still there after a logout; the server is not asked. */
const LOGGED_OUT = toDocument({ title: "Nobody is logged in", detail: "Log in first." }, 401);

/**
 * Fetch with the session's token. A 401 waits for one refresh, which all requests share, or for a login over the page,
 * and is then sent once more, so that nothing that was typed is lost.
 */
export async function fetchAuthorised(request: Request): Promise<Response> {
  const token = await session.getToken();
  if (token === null) throw new ProblemError(LOGGED_OUT);
  const again = request.clone(); // a body can be read once
  const response = await fetch(withToken(request, token));
  if (response.status !== 401) return response;
  const other = await session.replaceToken(token);
  return other === null || other === token ? response : fetch(withToken(again, other));
}

function withToken(request: Request, token: string): Request {
  request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

/** `await ok(api.GET("/api/v1/jobs", { params: { query }, signal }))`. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: fetchAuthorised });

api.use({
  async onResponse({ response }) {
    if (!response.ok) throw await readProblem(response);
    return undefined;
  },
});

/** Return the data of an answer; what is no success has been thrown as a `ProblemError`. */
export async function ok<Data>(answer: Promise<{ data?: Data; response: Response }>): Promise<NonNullable<Data>> {
  return (await answer).data as NonNullable<Data>;
}

/** Fetch what is not JSON, such as a picture, an array or a CSV, with the session's token. */
export async function fetchRaw(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetchAuthorised(new Request(new URL(path, location.origin), init));
  if (!response.ok) throw await readProblem(response);
  return response;
}
