import { expect, it } from "vitest";
import { metricRows, nearest, sameCell, sentenceOf } from "./difference";

const SAME = { inputs: [], inputs_total: 0, inputs_equal: 7, metrics: [] };

it("says what differs, how much, where and when", () => {
  const gap = {
    ...SAME, inputs_total: 2, inputs_equal: 5, unit: "K", time_s: 0.8, norms: { max: 3.1, l2: 1 },
    where: { index: [42], at: { x: 0.42 }, a: 1, b: 4.1, difference: 3.1 },
  };
  expect(sentenceOf(gap)).toBe("2 of 7 inputs differ; largest gap 3.100\u2009K at x = 0.420\u2009m, 0.800\u2009s.");
  expect(sentenceOf({ ...gap, norms: { max: 0, l2: 0 } })).toBe("2 of 7 inputs differ; the fields are equal.");
});

it("says why fields cannot be compared, and says nothing of them where there are none", () => {
  expect(sentenceOf({ ...SAME, reason: "Only one has a result." })).toBe("No input differs; the fields cannot be compared: Only one has a result.");
  expect(sentenceOf({ ...SAME, inputs_total: 1 })).toBe("1 of 8 inputs differs.");
});

it("subtracts metrics, temperatures in kelvin, and puts those that are equal behind", () => {
  const rows = metricRows([
    { name: "method", title: "method", unit: null, a: "adi", b: "modal" },
    { name: "steps", title: "steps", unit: "1", a: 4, b: 4 },
    { name: "centre", title: "centre", unit: "degC", a: 90.6, b: 82.09 },
    { name: "lost", title: "lost", unit: "1", a: null, b: 3 },
  ]);
  expect(rows.map((row) => [row.name, row.difference])).toEqual([["method", ""], ["centre", "\u22128.510\u2009K"], ["lost", ""], ["steps", "0"]]);
});

it("links cells over grids of other sizes, and times over lists of other lengths", () => {
  expect(sameCell([9, 0], [10, 4], [5, 8])).toEqual([4, 1]);
  expect(sameCell([3], [10], [10])).toEqual([3]);
  expect([nearest([0, 0.5, 1], 0.7), nearest([0, 0.5, 1], 9), nearest([], 1)]).toEqual([1, 2, 0]);
});
