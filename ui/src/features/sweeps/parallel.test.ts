import { expect, it } from "vitest";
import { countLines, layoutAxes, placeValues, shades } from "./parallel";
import type { NumberColumn } from "./points";

function column(values: number[]): NumberColumn {
  return { name: "params.a", label: "a", unit: "", isMetric: false, values: Float64Array.from(values), low: 0, high: 1, isLog: false };
}

const layout = layoutAxes(2, 200, 100);

it("puts axes at both sides, low values at the bottom", () => {
  expect(layout).toMatchObject({ xs: [72, 128], top: 40, bottom: 84 });
  const [heights] = placeValues([column([0, 1, 0.5])], layout);
  expect([...(heights ?? [])]).toEqual([84, 40, 62]);
});

it("counts each line once in each column between its axes", () => {
  const heights = placeValues([column([0, 0, 1]), column([0, 1, Number.NaN])], layout);
  const counts = countLines(heights, Uint32Array.of(0, 1, 2), layout);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2 * 56); // the third has no value on the second axis
  expect(counts[84 * 200 + 72]).toBe(2);
  expect(counts[84 * 200 + 127]).toBe(1);
});

it("shades by the logarithm of the count, in one colour, and nothing where no line is", () => {
  const table = shades(1000, [1, 2, 3]);
  expect([table[0]! >>> 24, table[1]! & 0xffffff, table[1000]! >>> 24]).toEqual([0, 0x030201, 230]);
  expect(table[10]! >>> 24).toBeGreaterThan(table[1]! >>> 24);
});
