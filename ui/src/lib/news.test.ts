import { expect, it } from "vitest";
import { readJobNews, readSystemNews } from "./news";

const job = (over: object) => ({ id: "j", status: "running", reason: null, version: 2, sweep: null, ...over });
const names = (keys: readonly (readonly unknown[])[]) => keys.map((key) => key.join(" ")).sort();

it("lets a job that moves be asked for again, and the figures of the hour where it has ended", () => {
  expect(names(readJobNews({ jobs: [job({})], sweeps: [], more: false }).stale)).toEqual(["jobs head", "jobs j", "jobs overview"]);
  expect(names(readJobNews({ jobs: [job({ status: "success" })], sweeps: [] }).stale)).toContain("jobs stats");
});

it("asks for nothing of the overview while points of a sweep succeed, and for what failed when one fails", () => {
  const going = { jobs: [job({ sweep: "s" }), job({ id: "k", status: "success", sweep: "s" })], sweeps: [{ id: "s", version: 9, total: 10, ended: 4 }] };
  const { stale, sweeps } = readJobNews(going);
  expect(names(stale)).toEqual(["jobs head", "jobs j", "jobs k"]);
  expect(sweeps).toEqual([{ id: "s", total: 10, ended: 4 }]);
  expect(names(readJobNews({ jobs: [job({ sweep: "s", status: "failed" })] }).stale)).toContain("jobs overview bad");
});

it("asks for the lists when a sweep begins or ends, and when more has changed than is named", () => {
  for (const news of [{ sweeps: [{ id: "s", total: 3, ended: 3 }] }, { sweeps: [{ id: "s", total: 3, ended: 0 }] }, { more: true }]) {
    expect(names(readJobNews(news).stale)).toEqual(expect.arrayContaining(["jobs overview", "jobs stats", "sweeps list", "sweeps overview"]));
  }
  expect(readJobNews({ more: true }).isCrowd).toBe(true);
});

it("reads nothing from what is no event", () => {
  for (const odd of [null, 3, "x", [], { jobs: 3, sweeps: [1, null, { id: 4 }] }, { jobs: [{ id: 4 }, null] }]) {
    expect(readJobNews(odd)).toEqual({ stale: [], sweeps: [], isCrowd: false });
    expect(readSystemNews(odd, odd)).toEqual({ queue: undefined, stale: [] });
  }
});

it("takes the queue as it is told, and asks for alerts and health only where they are others", () => {
  const before = { mode: "normal", modes: [], workers: 1, queue: { waiting: 2, running: 1 }, alerts: { high: 1 } };
  expect(readSystemNews({ ...before, queue: { waiting: 0, running: 0 } }, before)).toEqual({ queue: { waiting: 0, running: 0 }, stale: [] });
  expect(names(readSystemNews({ ...before, alerts: {} }, before).stale)).toEqual(["alerts open", "runs overview"]);
  expect(names(readSystemNews({ ...before, workers: 0 }, before).stale)).toEqual(["health", "system"]);
  expect(names(readSystemNews(before, undefined).stale)).toEqual(["alerts open", "health", "runs overview", "system"]);
});
