import { describe, expect, it } from "vitest";
import { asProblem, isNotFound, isTransient, isUnreachable, ProblemError, readProblem, toDocument } from "./problems";

const json = (body: unknown, init: ResponseInit) =>
  new Response(JSON.stringify(body), { ...init, headers: { "content-type": "application/problem+json", ...init.headers } });

describe("readProblem", () => {
  it("keeps what the server said", async () => {
    const answer = json(
      {
        type: "/problems/invalid-fields", title: "Fields are wrong", status: 422, detail: "1 field is wrong.",
        request_id: "r-1", errors: [{ field: "params.length", limit: "must be above 0" }, { field: 3 }],
      },
      { status: 422 },
    );
    const error = await readProblem(answer);
    expect(error.code).toBe("invalid-fields");
    expect(error.message).toBe("1 field is wrong.");
    expect(error.problem.errors).toEqual([{ field: "params.length", message: "must be above 0" }]);
    expect(error.problem.requestId).toBe("r-1");
  });

  it("makes one from a status alone, as a proxy answers", async () => {
    const error = await readProblem(new Response("<html>", { status: 502, headers: { "x-request-id": "r-2" } }));
    expect(error.problem).toMatchObject({ status: 502, title: "The server failed", requestId: "r-2", errors: [] });
    expect(isTransient(error)).toBe(true);
  });

  it("reads broken JSON as no reason", async () => {
    const error = await readProblem(new Response("{", { status: 400, headers: { "content-type": "application/json" } }));
    expect(error.status).toBe(400);
  });

  it("reads when to ask again", () => {
    expect(toDocument({}, 429, new Headers({ "retry-after": "7" })).retryAfter).toBe(7);
    expect(toDocument({}, 429, new Headers()).retryAfter).toBeUndefined();
  });
});

it("tells a server that does not answer from a fault of the page", () => {
  expect(isUnreachable(new TypeError("Failed to fetch"))).toBe(true);
  expect(asProblem(new TypeError("Failed to fetch")).type).toBe("unreachable");
  expect(asProblem(new TypeError("x is undefined")).type).toBe("page-error");
  expect(asProblem(new TypeError("Failed to fetch dynamically imported module: /assets/a.js")).type).toBe("page-is-old");
  expect(asProblem("odd").detail).toBe("odd");
});

it("calls what is away and what is another's the same", () => {
  expect(isNotFound(new ProblemError(toDocument({}, 404)))).toBe(true);
  expect(isNotFound(new ProblemError(toDocument({}, 410)))).toBe(true);
  expect(isNotFound(new ProblemError(toDocument({}, 403)))).toBe(false);
});
