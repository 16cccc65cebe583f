import { expect, it } from "vitest";
import type { Frame } from "@/lib/frame";
import { axesOf, cellAt, cellIndices, type FieldAxis, fieldSentence, placeText, positionOf, valueAt } from "./fieldPlaces";
import { fieldCsv } from "./fieldFiles";
import { fit } from "./FieldCanvas";

const x: FieldAxis = { name: "x", unit: "m", at: "cell", count: 2, origin: 0, spacing: 0.5, values: null };
const y: FieldAxis = { name: "y", unit: "m", at: "node", count: 3, origin: 1, spacing: 0.1, values: null };
const frame: Frame = {
  dimension: 2, shape: [2, 3], bits: 8, low: 0, high: 127, codes: Uint16Array.from([0, 10, 255, 20, 254, 2]), masked: 255,
  time: 1, tick: 0, name: "temperature", unit: "degC", level: 0, origin: [0, 0, 0], flags: 0, number: 1, epoch: 0,
  computedMs: 0, error: 0.25, run: "",
};

it("places cells in their middle and nodes where they are", () => {
  expect(positionOf(x, 1)).toBe(0.75);
  expect(positionOf(y, 2)).toBeCloseTo(1.2);
  expect(positionOf({ ...x, values: [0, 3] }, 1)).toBe(3);
  expect(placeText([x, y], [1, 2])).toBe("x 0.750\u2009m, y 1.20\u2009m");
});

it("makes axes coarser where the frame is, and counts cells where none are known", () => {
  expect(axesOf({ shape: [1, 3], level: 1 }, [x, y])[0]).toMatchObject({ count: 1, spacing: 1, origin: 0 });
  expect(positionOf(axesOf({ shape: [4], level: 0 }, undefined)[0] as FieldAxis, 3)).toBe(3);
});

it("goes from cells to indices and back", () => {
  for (let cell = 0; cell < 24; cell += 1) expect(cellAt([2, 3, 4], cellIndices([2, 3, 4], cell))).toBe(cell);
});

it("says what the picture shows", () => {
  expect(fieldSentence(frame, "Temperature", [x, y])).toBe(
    "Temperature, 0 to 127\u2009°C, hottest 127\u2009°C at x 0.750\u2009m, y 1.10\u2009m.",
  );
  expect(valueAt(frame, 2)).toBeNull();
  expect(valueAt(frame, 3)).toBe(10);
});

it("writes all cells with their places, and none where there is no value", async () => {
  const lines = (await fieldCsv(frame, "Temperature", [x, y]).text()).split("\r\n");
  expect(lines.slice(0, 4)).toEqual(["x [m],y [m],Temperature [degC]", "0.25,1,0", "0.25,1.1,5", "0.25,1.2,"]);
  expect(lines).toHaveLength(8);
});

it("draws in true proportions where both axes have one unit", () => {
  const wide: FieldAxis = { ...x, count: 20, spacing: 0.1 };
  expect(fit([wide, x], 400, 360)).toEqual({ width: 400, height: 200 });
  expect(fit([x, wide], 400, 360)).toEqual({ width: 180, height: 360 });
  expect(fit([{ ...wide, unit: "s" }, x], 400, 360)).toEqual({ width: 400, height: 240 });
});
