/** The list of jobs as a table: all that fit the filters, page by page, since the server lists them so. */
import { api, ok } from "@/api/client";
import { tableFile } from "@/components/files";
import { defined } from "@/lib/search";
import { type JobFilters, type JobRow, type JobRowPage, toQuery } from "./queries";
import { labelsOf } from "./words";

/** The most rows of a table; whoever wants more narrows the filters, or asks the API. */
export const MOST_SAVED = 20_000;

const PAGE_ROWS = 200;
const HEAD = [
  "job", "state", "reason", "message", "verdict", "simulation", "image", "sweep", "point", "progress", "made", "started",
  "finished", "labels",
];

export async function saveJobs(filters: JobFilters): Promise<Blob> {
  const query = toQuery(filters); // with the times of now, the same for all pages
  const rows: JobRow[] = [];
  let after: string | undefined;
  do {
    const page = (await ok(api.GET("/api/v1/jobs", { params: { query: { ...query, ...defined({ limit: PAGE_ROWS, after }) } } }))) as JobRowPage;
    rows.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined && rows.length < MOST_SAVED);
  return jobTable(rows);
}

export function jobTable(rows: readonly JobRow[]): Blob {
  return tableFile(HEAD, rows.map((job) => [
    job.id, job.status, job.reason, job.message, job.verdict, job.simulation, job.container_image, job.sweep_id, job.sweep_index,
    job.progress, job.created_at, job.started_at, job.finished_at, labelsOf(job).join(" "),
  ]));
}
