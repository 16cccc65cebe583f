/** The same job as other doors to Grid take it: curl, the command line, Python. */
import type { Job } from "./queries";

/** Text of each; what came from outside is quoted for its language. */
export function sameAs(job: Job, origin: string): Record<"curl" | "CLI" | "Python", string> {
  const what = job.simulation === null ? { container_image: job.container_image } : { simulation: job.simulation };
  const labels = Object.keys(job.metadata).length > 0 ? { metadata: job.metadata } : {};
  const body = { ...what, params: job.params, ...labels };
  const values = Object.values(job.params);
  const isPlain = values.every((value) => typeof value === "number" || typeof value === "string" || typeof value === "boolean");
  const options = Object.entries(job.params).map(([name, value]) => `--param ${shell(`${name}=${String(value)}`)}`);
  const named = job.simulation === null ? `--image ${shell(job.container_image ?? "")}` : `--sim ${shell(job.simulation)}`;
  const meta = Object.entries(job.metadata).map(([name, value]) => `--meta ${shell(`${name}=${String(value)}`)}`);
  const file = `cat > params.json <<'END'\n${JSON.stringify(job.params, null, 2)}\nEND\n`;
  const parts = [`grid jobs submit ${named}`, ...(isPlain ? options : ["--params-file params.json"]), ...meta, "--wait"];
  return {
    curl: [
      `curl ${shell(`${origin}/api/v1/jobs`)}`,
      '-H "Authorization: Bearer $(grid auth token)"',
      "-H 'Content-Type: application/json'",
      `-d ${shell(JSON.stringify(body))}`,
    ].join(" \\\n  "),
    CLI: (isPlain ? "" : file) + parts.join(" \\\n  "),
    Python: [
      "from grid.client.client import GridClient",
      "",
      "with GridClient.from_settings() as client:",
      "    submitted = client.submit(",
      ...Object.entries(body).map(([name, value]) => `        ${name}=${python(value)},`),
      "    )",
      "    job = client.wait(submitted.jobs[0])",
    ].join("\n"),
  };
}

/** Quote for a shell of POSIX; plain words stay as they are. */
export function shell(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Write a JSON value as Python. */
export function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
