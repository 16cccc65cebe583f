/** Problem documents (RFC 9457), which every error of the server is, and errors that have none. */

import { printUnit } from "@/lib/units";

export interface FieldProblem {
  /** Path of the field, as in `params.length` or `sweep[17].diffusivity`. */
  readonly field: string;
  readonly message: string;
}

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string | undefined;
  readonly requestId?: string | undefined;
  readonly errors: readonly FieldProblem[];
  /** Seconds after which the server wants to be asked again. */
  readonly retryAfter?: number | undefined;
}

/** An answer that is no success; `problem` says all that the server said. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(readonly problem: ProblemDocument) {
    super(problem.detail);
  }

  /** The stable word of the problem, as in `not-found`, whatever the sentence. */
  get code(): string {
    return this.problem.type.split("/").pop() ?? "";
  }

  get status(): number {
    return this.problem.status;
  }
}

/** Status of a request that got no answer. */
export const UNREACHABLE = 0;

/** Read an answer's problem; an answer without one (of a proxy, say) gives one from its status. */
export async function readProblem(response: Response): Promise<ProblemError> {
  let body: unknown = null;
  if ((response.headers.get("content-type") ?? "").includes("json")) {
    body = await response.json().catch(() => null);
  }
  return new ProblemError(toDocument(body, response.status, response.headers));
}

/** Make a problem document from whatever a server sent as one. */
export function toDocument(body: unknown, status: number, headers?: Headers): ProblemDocument {
  const raw = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string) => (typeof raw[name] === "string" ? raw[name] : undefined);
  const seconds = Number(headers?.get("retry-after") ?? Number.NaN);
  return {
    type: text("type") ?? "about:blank",
    title: text("title") ?? (status >= 500 ? "The server failed" : "The request was refused"),
    status,
    detail: text("detail") ?? `The server answered with status ${status} and gave no reason.`,
    instance: text("instance"),
    requestId: text("request_id") ?? headers?.get("x-request-id") ?? undefined,
    errors: readFields(raw["errors"]),
    retryAfter: Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined,
  };
}

/** Read errors of fields as the server writes them: what each must be, and in which unit. */
export function readFields(raw: unknown): FieldProblem[] {
  if (!Array.isArray(raw)) return [];
  return raw.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null) return [];
    const { field, limit, unit } = item as Record<string, unknown>;
    if (typeof field !== "string" || typeof limit !== "string") return [];
    return [{ field, message: typeof unit === "string" && unit !== "1" ? `${limit} ${printUnit(unit)}` : limit }];
  });
}

/** What browsers say of a module that is not there any more. */
const MISSING_FILE = /dynamically imported module|importing a module script|preload CSS/i;

/** Make a problem of anything that was thrown, so that it can be shown in one way. */
export function asProblem(error: unknown): ProblemDocument {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof Error && MISSING_FILE.test(error.message)) {
    return {
      type: "page-is-old",
      title: "A part of the page cannot be loaded",
      status: UNREACHABLE,
      detail: "Grid was probably updated since this tab was opened. Reload the page to go on.",
      errors: [],
    };
  }
  if (isUnreachable(error)) {
    return {
      type: "unreachable",
      title: "The server does not answer",
      status: UNREACHABLE,
      detail: "The connection to Grid is gone. The page goes on by itself as soon as it is back.",
      errors: [],
    };
  }
  return {
    type: "page-error",
    title: "The page failed",
    status: UNREACHABLE,
    detail: error instanceof Error ? error.message : String(error),
    errors: [],
  };
}

/** Tell whether an error says that no answer came; `fetch` throws a TypeError then. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && /fetch|network|load failed/i.test(error.message);
}

/** Tell whether asking again may help: no answer, or one that says "later". */
export function isTransient(error: unknown): boolean {
  if (error instanceof ProblemError) return [408, 429, 500, 502, 503, 504].includes(error.status);
  return isUnreachable(error);
}

/** Tell whether what was asked for is not there, or not the caller's, which is the same. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ProblemError && (error.status === 404 || error.status === 410);
}
