import { describe, expect, it } from "vitest";
import { chooseRows, countFailures, linesAlong, readPoints, shareOf, sortRows, valueAt, whereFailed } from "./points";

function sweep() {
  return readPoints({
    points: 5, version: 9, index: [0, 1, 2, 3, 4],
    job_id: ["a", "b", "c", "d", "e"],
    status: ["success", "success", "failed", "timed_out", "success"],
    reason: [null, null, "diverged", "wall_timeout", null],
    columns: [
      { name: "params.diffusivity", title: "Diffusivity", unit: "m2/s", values: [0.01, 0.1, 2, 5, 0.5] },
      { name: "params.length", title: "Length", unit: "m", values: [1, 2, 1, 2, 1] },
      { name: "params.nodes", title: "Nodes", unit: "1", values: [9, 9, 9, 9, 9] },
      { name: "params.fail", title: "Fail", unit: null, values: ["no", "no", "diverge", "diverge", "no"] },
      { name: "metrics.error", title: "Largest error", unit: "1", values: [3, 1, null, null, 2] },
    ],
  } as never);
}

const column = (name: string) => sweep().numbers.find((one) => one.name === name)!;

describe("points of a sweep", () => {
  it("have columns only where they differ", () => {
    expect(sweep().numbers.map(({ name }) => name)).toEqual(["params.diffusivity", "params.length", "metrics.error"]);
    expect(sweep().words.map(({ name }) => name)).toEqual(["params.fail"]);
    expect(column("params.diffusivity")).toMatchObject({ unit: "m²/s", low: 0.01, high: 5, isLog: true });
  });

  it("are called as the simulation calls them", () => {
    expect(sweep().numbers.map(({ label }) => label)).toEqual(["Diffusivity", "Length", "Largest error"]);
  });

  it("stand on an axis by ratio where it spans more than two decades", () => {
    expect(shareOf(column("params.length"), 1.5)).toBe(0.5);
    const share = shareOf(column("params.diffusivity"), 0.1);
    expect(share).toBeCloseTo(Math.log(10) / Math.log(500), 12);
    expect(valueAt(column("params.diffusivity"), share)).toBeCloseTo(0.1, 12);
  });

  it("are chosen by ranges, both ends in, and by why they failed", () => {
    expect([...chooseRows(sweep(), { "params.diffusivity": [0.1, 2] }, [])]).toEqual([1, 2, 4]);
    expect([...chooseRows(sweep(), { "metrics.error": [0, 9] }, [])]).toEqual([0, 1, 4]);
    expect([...chooseRows(sweep(), {}, ["diverged"])]).toEqual([2]);
    expect([...chooseRows(sweep(), { "params.unknown": [0, 1] }, [])]).toEqual([0, 1, 2, 3, 4]);
  });

  it("that failed are counted by reason, and never ranked in either direction", () => {
    const all = chooseRows(sweep(), {}, []);
    expect(countFailures(sweep())).toEqual([{ why: "diverged", count: 1 }, { why: "wall_timeout", count: 1 }]);
    expect([...sortRows(sweep(), all, "metrics.error")]).toEqual([1, 4, 0, 2, 3]);
    expect([...sortRows(sweep(), all, "-metrics.error")]).toEqual([0, 4, 1, 2, 3]);
    expect([...sortRows(sweep(), all, "-params.diffusivity")]).toEqual([4, 1, 0, 2, 3]);
  });

  it("that failed are told from the others by one parameter, if one tells", () => {
    expect(whereFailed(sweep())).toBe("all with diffusivity above 0.5\u2009m²/s");
    const points = sweep();
    expect(whereFailed({ ...points, numbers: [] })).toBe("all with fail diverge");
    expect(whereFailed({ ...points, numbers: [], words: [] })).toBeUndefined();
  });

  it("make a line for each set of the other parameters, in the order of x", () => {
    const lines = linesAlong(sweep(), Uint32Array.of(4, 0, 1), column("params.diffusivity"));
    expect(lines).toEqual([
      { label: "Length 1, Fail no", rows: [0, 4] },
      { label: "Length 2, Fail no", rows: [1] },
    ]);
  });
});
