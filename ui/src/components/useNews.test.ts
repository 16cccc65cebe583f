// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Refresher } from "./useNews";

vi.mock("./live", () => ({ live: {} }));

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

it("asks at once, then no sooner than a gap after, for all that became old meanwhile", () => {
  const asked: string[] = [];
  const refresher = new Refresher((stale) => asked.push(stale.map((key) => key.join(" ")).join(", ")));
  refresher.add([["jobs"]], 1_000);
  vi.advanceTimersByTime(0);
  expect(asked).toEqual(["jobs"]);
  refresher.add([["jobs"]], 1_000);
  refresher.add([["jobs"], ["sweeps"]], 5_000);
  vi.advanceTimersByTime(900);
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(100);
  expect(asked).toEqual(["jobs", "jobs, sweeps"]);
  refresher.add([], 0);
  refresher.add([["health"]], 5_000);
  vi.advanceTimersByTime(4_900);
  expect(asked).toHaveLength(2);
  refresher.add([["alerts"]], 0); // what cannot wait takes the rest along
  vi.advanceTimersByTime(0);
  expect(asked[2]).toBe("health, alerts");
  refresher.add([["late"]], 0);
  refresher.stop();
  vi.advanceTimersByTime(10_000);
  expect(asked).toHaveLength(3);
});
