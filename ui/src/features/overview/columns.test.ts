import { expect, it } from "vitest";
import { finished, needsALook, running, sentence, type Situation } from "./columns";
import type { Alert, Job, Run, Sweep } from "./queries";

const AT = "2026-01-31T08:00:00Z";
const LOOKED = Date.parse("2026-01-31T07:00:00Z");

const job = (over: Partial<Job>): Job => ({
  id: "01a20000-0000-7000-8000-000000000001", status: "failed", reason: "diverged", message: "", simulation: "heat",
  container_image: null, sweep_id: null, sweep_index: null, progress: 1, created_at: AT, started_at: AT, finished_at: AT,
  metadata: {}, verdict: null, ...over,
});
const alert = (over: Partial<Alert>) =>
  ({ id: "a1", run: "r1", rule: "hot", summary: "stress above 60 MPa", severity: "low", silence: null, inhibited_by: null,
     acknowledged_at: null, fired_at: AT, ...over }) as Alert;
const sweep = (over: object) =>
  ({ id: "s1", simulation: "heat-rod", container_image: null, points: 10, progress: 1, is_finished: true, created_at: AT,
     by_status: { success: 9, failed: 1 }, ...over }) as unknown as Sweep;
const calm: Situation = { away: [], alerts: [], needs: [], goes: [], ends: [], waiting: 0 };

it("puts the worst alert first, and leaves out those that are silenced or explained by another", () => {
  const lines = needsALook(
    [alert({ id: "low" }), alert({ id: "worst", severity: "critical" }), alert({ id: "quiet", severity: "high", silence: "s" }),
      alert({ id: "shadow", severity: "high", inhibited_by: "worst" })],
    [], [], LOOKED,
  );
  expect(lines.map((line) => line.key)).toEqual(["worst", "low"]);
});

it("makes one line of all points of a sweep that failed in one way", () => {
  const points = [1, 2, 3].map((index) => job({ id: `p${index}`, sweep_id: "s1", sweep_index: index }));
  const lines = needsALook([], [...points, job({ id: "p4", sweep_id: "s1", reason: "oom" }), job({ id: "alone" })], [], LOOKED);
  expect(lines.map((line) => line.what).sort()).toEqual(["1 point: oom", "3 points: diverged", "heat: diverged"]);
  expect(lines.find((line) => line.what.startsWith("3"))).toMatchObject({ kind: "sweep", id: "s1" });
});

it("forgets what ended before somebody has looked", () => {
  expect(needsALook([], [job({})], [job({ id: "d" })], Date.parse(AT))).toEqual([]);
  expect(needsALook([], [job({})], [job({ id: "d", verdict: "failed" })], LOOKED)).toHaveLength(2);
});

it("lists what runs, and points of a sweep by their sweep alone", () => {
  const run = { id: "r1", name: "plate", status: "running", started_at: AT } as Run;
  const lines = running([job({ status: "running" }), job({ id: "p", sweep_id: "s1" })], [sweep({ is_finished: false })], [run]);
  expect(lines.map((line) => line.kind)).toEqual(["run", "sweep", "job"]);
});

it("orders what ended by its end, a sweep by that of its last point", () => {
  const late = "2026-01-31T09:00:00Z";
  const lines = finished(
    [job({ id: "j", status: "success" })], [sweep({ finished_at: late })], Date.parse(AT),
  );
  expect(lines.map((line) => [line.kind, line.isNew, line.done])).toEqual([["sweep", true, "9 / 10"], ["job", false, undefined]]);
});

it("says in a sentence what is wrong, what goes on and what ended", () => {
  expect(sentence(calm)).toBe("Nothing needs you. Nothing runs.");
  expect(sentence({ ...calm, waiting: 3 })).toBe("Nothing needs you. Nothing runs, 3 jobs wait.");
  const needs = needsALook([alert({ severity: "critical" })], [job({})], [], LOOKED);
  expect(sentence({ ...calm, away: ["worker"], alerts: [alert({ severity: "critical" })], needs })).toBe(
    "The worker is away, 1 critical alert fires and 1 result needs a look. Nothing runs.",
  );
  const goes = running([job({ status: "running" })], [sweep({})], []);
  expect(sentence({ ...calm, goes, waiting: 2 })).toBe("Nothing needs you. 1 job and 1 sweep go on, 2 wait.");
});
