// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { readJobSearch, readListSearch } from ".";
import { EventReader, LogStore, readLines, visible } from "./logStream";
import { type Job, type JobRow, type JobRowPage, toQuery } from "./queries";
import { python, sameAs, shell } from "./sameAs";
import { jobSentence, labelsOf, listSentence, mergeHead, metricGuide } from "./words";

const job = {
  status: "success", message: "It ended.", audits: [{ name: "finite", verdict: "passed" }, { name: "energy_balance", verdict: "passed" }],
  params: { length: 1, name: "it's" }, metadata: { project: "bridge" }, simulation: "heat-rod", container_image: null,
  created_at: "2026-01-01T00:00:00Z", progress: 0.5,
} as unknown as Job;

it.each([
  [{}, "It ran to its end, and its 2 audits passed: the result can be trusted."],
  [{ audits: [{ name: "energy_balance", verdict: "failed" }] }, "It ran to its end, but energy balance failed: do not trust the result."],
  [{ audits: null }, "It ran to its end; nothing checked its result."],
  [{ status: "running" }, "It runs: 50\u2009% is done."],
  [{ status: "queued" }, "It waits for a worker since 1\u2009min."],
  [{ status: "failed", message: "It diverged at step 7." }, "It diverged at step 7."],
])("says of a job with %o whether it can be trusted", (change, sentence) => {
  expect(jobSentence({ ...job, ...change } as Job, Date.parse("2026-01-01T00:01:30Z"))).toBe(sentence);
});

it("counts in one sentence, and says which need a look", () => {
  const rows = [{ status: "failed" }, { status: "success", verdict: "failed" }, { status: "success", verdict: "passed" }] as JobRow[];
  const page = { total: 3, total_is_exact: true } as JobRowPage;
  expect(listSentence(page, rows, false)).toBe("3 jobs: 2 need a look.");
  expect(listSentence({ ...page, total: 400 } as JobRowPage, rows, true)).toBe("400 jobs by these filters: 2 of the newest 3 need a look.");
  expect(listSentence({ ...page, total: 0 } as JobRowPage, [], true)).toBe("No job fits these filters.");
});

it("reads filters from an address, and only those that are some", () => {
  expect(readListSearch({ status: ["failed", "x"], from: "24h", verdict: "failed", q: "01c7", size: "3" })).toEqual({
    status: ["failed"], from: "24h", verdict: ["failed"], q: "01c7",
  });
  expect(readJobSearch({ tab: "field", time: "3", scale: "0:1", iso: "2.5", junk: "1" })).toEqual({
    tab: "field", time: 3, scale: "0:1", iso: 2.5,
  });
  expect(readJobSearch({ tab: "nothing", time: "-1" })).toEqual({});
});

it("counts a time before now, and hands on one that is a moment", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  expect(toQuery({ from: "24h" }, now)).toMatchObject({ created_from: "2026-01-01T00:00:00.000Z" });
  expect(toQuery({ from: "2025-12-24" }, now)).toMatchObject({ created_from: "2025-12-24" });
});

it("takes what is new of rows it has, and tells those it has not", () => {
  const row = (id: string, status: string, created_at: string) => ({ id, status, created_at }) as JobRow;
  const rows = [row("b", "running", "2"), row("a", "queued", "1")];
  const merged = mergeHead(rows, [row("c", "queued", "3"), row("b", "success", "2"), row("0", "queued", "0")]);
  expect(merged.rows.map((one) => one.status)).toEqual(["success", "queued"]);
  expect(merged.fresh.map((one) => one.id)).toEqual(["c"]);
});

it("names metrics with their units, also where those follow from the parameters", () => {
  const heat = { metrics: [{ name: "peak_temperature", title: "Largest temperature", unit: null }] } as never;
  const other = { ...job, params: { problem: { temperature_unit: "degC" } } } as unknown as Job;
  expect(metricGuide(heat, other, "peak_temperature")).toEqual({ title: "Largest temperature", unit: "degC" });
  expect(metricGuide(heat, job, "peak_temperature").unit).toBe("K");
  const heatOf = (problem: object) => metricGuide(heat, { ...job, params: { problem } } as never, "heat_in").unit;
  expect([heatOf({ dimension: 2, steady: false }), heatOf({ dimension: 3, steady: true }), heatOf({})]).toEqual(["J/m", "W", ""]);
  expect(metricGuide(undefined, job, "largest_error")).toEqual({ title: "largest error", unit: "" });
  expect(labelsOf({ metadata: { a: "x", n: 3 } } as never)).toEqual(["a:x", "n:3"]);
});

it("says the same in curl, command line and Python, quoted for each", () => {
  const same = sameAs(job, "http://127.0.0.1:8000");
  expect(same.curl).toContain(`-d '{"simulation":"heat-rod","params":{"length":1,"name":"it'\\''s"},"metadata":{"project":"bridge"}}'`);
  expect(same.CLI).toContain("grid jobs submit --sim heat-rod \\\n  --param length=1 \\\n  --param 'name=it'\\''s'");
  expect(same.Python).toContain(`params={"length": 1, "name": "it's"},`);
  expect(sameAs({ ...job, params: { problem: { a: null } } } as unknown as Job, "").CLI).toContain("--params-file params.json");
  expect(shell("$(rm -rf /)")).toBe("'$(rm -rf /)'");
  expect(python([true, false, null, { a: "b" }])).toBe('[True, False, None, {"a": "b"}]');
});

it("reads events however their bytes are cut, and remembers where it was", async () => {
  const bytes = new TextEncoder().encode("retry: 1000\n\nevent: log\ndata: ü1\ndata: two\nid: 1:0\n\n: ping\n\nevent: end\ndata: {}\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const reader = new EventReader();
  const events = [];
  for await (const line of readLines(body)) events.push(reader.feed(line));
  expect(events.filter((event) => event !== null)).toEqual([{ kind: "log", data: "ü1\ntwo" }, { kind: "end", data: "{}" }]);
  expect(reader.lastId).toBe("1:0");
});

it("holds the newest lines, and shows signs that steer a terminal", () => {
  const store = new LogStore();
  store.add(Array.from({ length: 100_005 }, (_, at) => `line ${at}`).join("\n"));
  expect([store.lines.length, store.dropped, store.lines[0]]).toEqual([100_000, 5, "line 5"]);
  expect(visible("\u001b[31mred\u001b[0m\t<b>")).toBe("␛[31mred␛[0m\t<b>");
});
