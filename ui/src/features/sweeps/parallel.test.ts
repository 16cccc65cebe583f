import { expect, it } from "vitest";
import { countLines, layoutAxes, LinesPainter, placeValues, shades, without } from "./parallel";
import type { NumberColumn } from "./points";

function column(values: number[]): NumberColumn {
  return { name: "params.a", label: "a", unit: "", isMetric: false, values: Float64Array.from(values), low: 0, high: 1, isLog: false };
}

const layout = layoutAxes(2, 200, 124);

it("puts axes at both sides, low values at the bottom", () => {
  expect(layout).toMatchObject({ xs: [72, 128], top: 56, bottom: 100 });
  const [heights] = placeValues([column([0, 1, 0.5])], layout);
  expect([...(heights ?? [])]).toEqual([100, 56, 78]);
});

it("counts each line once in each column between its axes", () => {
  const heights = placeValues([column([0, 0, 1]), column([0, 1, Number.NaN])], layout);
  const counts = countLines(heights, Uint32Array.of(0, 1, 2), layout);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2 * 56); // the third has no value on the second axis
  expect(counts[100 * 200 + 72]).toBe(2);
  expect(counts[100 * 200 + 127]).toBe(1);
});

it("shades by the logarithm of the count, in one colour, and nothing where no line is", () => {
  const table = shades(1000, [1, 2, 3]);
  expect([table[0]! >>> 24, table[1]! & 0xffffff, table[1000]! >>> 24]).toEqual([0, 0x030201, 230]);
  expect(table[10]! >>> 24).toBeGreaterThan(table[1]! >>> 24);
});

it("counts only the lines that have come and gone, to the same picture", () => {
  const values = Array.from({ length: 40 }, (_, row) => (row * 7 % 40) / 40);
  const heights = placeValues([column(values), column(values.toReversed())], layout);
  const painter = new LinesPainter(true);
  const sets = [[0, 1, 2, 3], [1, 2, 3, 4, 9], [2, 3, 4, 9, 30, 31, 39], [5], [5, 6, 7, 8, 9, 10]];
  for (const rows of sets.map((set) => Uint32Array.from(set))) {
    expect([...painter.count(heights, rows, layout, 2)]).toEqual([...countLines(heights, rows, layout, 2)]);
  }
});

it("finds what one ascending list has that another has not", () => {
  const list = (...rows: number[]) => Uint32Array.from(rows);
  expect([...without(list(1, 2, 5, 9), list(2, 3, 9))]).toEqual([1, 5]);
  expect([...without(list(1, 2), list())]).toEqual([1, 2]);
  expect([...without(list(), list(1))]).toEqual([]);
});
