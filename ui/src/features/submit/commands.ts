/** The same submission as a command of curl or of Grid, and in Python. */
import { isRecord, type Json, type JsonRecord } from "@/lib/json";
import type { Submission } from "./draft";

const MOST_POINTS_SHOWN = 200;

/** Quote a word for the shell, whatever is in it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

export function asCurl(submission: Submission, origin: string): string {
  return [
    `curl ${origin}/api/v1/jobs \\`,
    '  --header "Authorization: Bearer $TOKEN" \\',
    '  --header "Content-Type: application/json" \\',
    `  --data ${quote(JSON.stringify(submission))}`,
  ].join("\n");
}

/** The command of `grid`; a nested problem goes by a file, points that are no list of one name by Python. */
export function asCli(submission: Submission): string {
  const { simulation, params, sweep } = submission;
  const record = isRecord(params) ? (params as JsonRecord) : {};
  const nested = Object.values(record).some((value) => typeof value === "object" && value !== null);
  const lines = nested ? [`cat > params.json <<'END'\n${JSON.stringify(params, null, 2)}\nEND`] : [];
  const common = nested
    ? ["--params-file params.json"]
    : Object.entries(record).map(([name, value]) => `--param ${quote(`${name}=${print(value)}`)}`);
  const labels = Object.entries((submission["metadata"] ?? {}) as JsonRecord).map(([name, value]) => `--meta ${quote(`${name}=${print(value)}`)}`);
  const retries = submission["retries"] === undefined ? [] : [`--retries ${String(submission["retries"])}`];
  const axes = sweep === undefined ? [] : axesOf(sweep);
  if (axes === null) return "# These points are no product of lists: submit them from Python, or with curl.";
  const timeout = submission["timeout_s"] === undefined || sweep !== undefined ? [] : [`--timeout ${String(submission["timeout_s"])}`];
  const noun = sweep === undefined ? "jobs" : "sweeps";
  lines.push([`grid ${noun} submit --sim ${quote(simulation)}`, ...axes, ...common, ...labels, ...retries, ...timeout, "--wait"].join(" \\\n  "));
  return lines.join("\n");
}

/** The lists whose product the points are, in their order; null where they are none. */
function axesOf(points: readonly JsonRecord[]): string[] | null {
  const names = Object.keys(points[0] ?? {});
  const lists = names.map((name) => [...new Set(points.map((point) => print(point[name])))]);
  if (lists.reduce((count, list) => count * list.length, 1) !== points.length) return null;
  const isProduct = points.every((point, row) => {
    let rest = row;
    for (let axis = names.length - 1; axis >= 0; axis -= 1) {
      const list = lists[axis] ?? [];
      if (print(point[names[axis] ?? ""]) !== list[rest % list.length]) return false;
      rest = Math.floor(rest / list.length);
    }
    return true;
  });
  return isProduct ? names.map((name, axis) => `--sweep ${quote(`${name}=${(lists[axis] ?? []).join(",")}`)}`) : null;
}

export function asPython(submission: Submission): string {
  const { simulation, params, sweep } = submission;
  const more = Object.entries(submission).filter(([name]) => !["simulation", "params", "sweep"].includes(name));
  const lines = [
    "from grid.client import GridClient",
    "",
    "with GridClient.from_settings() as client:",
    "    answer = client.submit(",
    `        simulation=${python(simulation)},`,
    `        params=${python(params, 8)},`,
    ...(sweep === undefined ? [] : [`        sweep=${python(sweep.slice(0, MOST_POINTS_SHOWN), 8)},${sweep.length > MOST_POINTS_SHOWN ? `  # and ${sweep.length - MOST_POINTS_SHOWN} more` : ""}`]),
    ...more.map(([name, value]) => `        ${name}=${python(value as Json, 8)},`),
    "    )",
    sweep === undefined ? "    job = client.wait(answer.jobs[0])" : "    sweep = client.wait_sweep(answer.sweep)",
  ];
  return lines.join("\n");
}

function python(value: Json | readonly JsonRecord[], indent = 0): string {
  const inner = " ".repeat(indent + 4);
  const close = `\n${" ".repeat(indent)}`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map((item) => python(item, indent + 4));
    const line = `[${items.join(", ")}]`;
    return line.length < 100 && !line.includes("\n") ? line : `[\n${items.map((item) => inner + item).join(",\n")},${close}]`;
  }
  if (isRecord(value)) {
    const items = Object.entries(value as JsonRecord).map(([name, item]) => `${JSON.stringify(name)}: ${python(item, indent + 4)}`);
    const line = `{${items.join(", ")}}`;
    return line.length < 100 && !line.includes("\n") ? line : `{\n${items.map((item) => inner + item).join(",\n")},${close}}`;
  }
  return JSON.stringify(value);
}

function print(value: Json | undefined): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
