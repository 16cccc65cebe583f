/** What the page says of a job; pure, so that each sentence is tested. */
import { isFinal } from "@/components/states";
import { isRecord } from "@/lib/json";
import { formatAge, formatPercent, plural } from "@/lib/format";
import type { Job, JobRow, JobRowPage } from "./queries";
import type { SimulationOut } from "./types";

/** The answer to the question of a job's page: did it run, and can its result be trusted? */
export function jobSentence(job: Job, now = Date.now()): string {
  if (job.status === "success") {
    const audits = job.audits ?? [];
    const failed = audits.filter((audit) => audit.verdict === "failed");
    const passed = audits.filter((audit) => audit.verdict === "passed").length;
    if (failed.length > 0) {
      return `It ran to its end, but ${failed.map((audit) => audit.name.replaceAll("_", " ")).join(", ")} failed: do not trust the result.`;
    }
    if (passed === 0) return "It ran to its end; nothing checked its result.";
    return `It ran to its end, and ${passed === 1 ? "its audit" : `its ${passed} audits`} passed: the result can be trusted.`;
  }
  if (job.status === "queued") return `It waits for a worker since ${formatAge((now - Date.parse(job.created_at)) / 1000).replace(" ago", "")}.`;
  if (job.status === "running") return `It runs: ${formatPercent(job.progress)} is done.`;
  if (job.status === "cancelling") return "It is being stopped.";
  return isFinal(job.status) ? job.message : `${job.message}`;
}

/** The answer to the question of the list: how many, and which of them need somebody. */
export function listSentence(page: JobRowPage, rows: readonly JobRow[], isFiltered: boolean): string {
  if (page.total === 0) return isFiltered ? "No job fits these filters." : "There is no job yet.";
  const count = `${page.total_is_exact === false ? "More than " : ""}${plural(page.total, "job")}${isFiltered ? " by these filters" : ""}`;
  const bad = rows.filter((row) => needsLook(row)).length;
  const shown = rows.length < page.total ? ` of the newest ${rows.length}` : "";
  return bad === 0 ? `${count}.` : `${count}: ${bad}${shown} ${bad === 1 ? "needs" : "need"} a look.`;
}

/** Whether somebody may want to act: it failed, took too long, or its own audits refuse its result. */
export function needsLook(row: Pick<JobRow, "status" | "verdict">): boolean {
  return ["failed", "timed_out", "expired"].includes(row.status) || row.verdict === "failed";
}

/** Title and unit of a metric; a unit that follows from the parameters is that of the problem's temperatures. */
export function metricGuide(simulation: SimulationOut | undefined, job: Job, name: string): { title: string; unit: string } {
  const guide = simulation?.metrics?.find((metric) => metric.name === name);
  const title = guide?.title ?? name.replaceAll("_", " ");
  return { title, unit: guide?.unit ?? (/temperature/.test(name) ? temperatureUnit(job, name) : HEATS.has(name) ? heatUnit(job) : "") };
}

const HEATS = new Set(["stored_heat_change", "heat_in", "heat_out", "heat_generated", "heat_balance_residual"]);

/** Heat is for each m² of a wall, for each m of depth of a plate; a steady state has heat by time. */
function heatUnit(job: Job): string {
  const problem = job.params["problem"];
  if (!isRecord(problem)) return "";
  const per = { 1: "/m2", 2: "/m", 3: "" }[Number(problem["dimension"])];
  return per === undefined ? "" : `${problem["steady"] === true ? "W" : "J"}${per}`;
}

function temperatureUnit(job: Job, name: string): string {
  if (name.endsWith("_degC")) return "degC";
  const problem = job.params["problem"];
  const unit = isRecord(problem) ? problem["temperature_unit"] : undefined;
  return unit === "degC" ? unit : "K";
}

/** Labels as `key:value`. */
export function labelsOf(job: Pick<JobRow, "metadata">): string[] {
  return Object.entries(job.metadata).map(([key, value]) => `${key}:${typeof value === "string" ? value : JSON.stringify(value)}`);
}

/** Rows with what the newest answer says of them; and those of it that the list does not have. */
export function mergeHead(rows: readonly JobRow[], head: readonly JobRow[] | undefined): { rows: JobRow[]; fresh: JobRow[] } {
  if (head === undefined) return { rows: [...rows], fresh: [] };
  const newest = new Map(head.map((row) => [row.id, row]));
  const known = new Set(rows.map((row) => row.id));
  const first = rows[0];
  const isNewer = (row: JobRow) => first === undefined || row.created_at >= first.created_at;
  return {
    rows: rows.map((row) => newest.get(row.id) ?? row),
    fresh: head.filter((row) => !known.has(row.id) && isNewer(row)),
  };
}
