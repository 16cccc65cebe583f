import { expect, it } from "vitest";
import { limitsOf, readCells, readParameters, readValue } from "./parameters";

const [power, count, kind, other] = readParameters(
  {
    properties: {
      power: { type: "number", minimum: 1, maximum: 1e6, title: "Power", unit: "W", default: 800 },
      count: { type: "integer", exclusiveMinimum: 0 },
      kind: { enum: ["gauss", "disc"] },
      other: { anyOf: [{ type: "array" }] },
    },
  },
  { count: 3, kind: "disc", other: [1, 2] },
) as [ReturnType<typeof readParameters>[number], ReturnType<typeof readParameters>[number], ReturnType<typeof readParameters>[number], ReturnType<typeof readParameters>[number]];

it("reads kinds, units, limits and defaults", () => {
  expect(power).toMatchObject({ kind: "number", unit: "W", initial: "800", least: 1, most: 1e6, isOpen: false });
  expect(count).toMatchObject({ kind: "integer", initial: "3", isOpen: true, title: "count" });
  expect(kind).toMatchObject({ kind: "choice", choices: ["gauss", "disc"], initial: "disc" });
  expect(other).toMatchObject({ kind: "text", initial: "[1,2]" });
  expect(limitsOf(count)).toBe("at least 0");
});

it("converts units, and refuses what is outside or no number", () => {
  expect(readValue(power, "2 kW")).toEqual({ ok: true, value: 2000 });
  expect(readValue(power, "0.5")).toMatchObject({ ok: false });
  expect(readValue(power, "1,5")).toMatchObject({ ok: false });
  expect(readValue(count, "0")).toMatchObject({ ok: false });
  expect(readValue(count, "1.5")).toEqual({ ok: false, reason: "A whole number is needed." });
  expect(readValue(other, "[1")).toEqual({ ok: false, reason: "This is not JSON." });
  expect(readValue(other, "[1]")).toEqual({ ok: true, value: [1] });
});

it("reads cells as they are typed", () => {
  expect(readCells("128x64", [2])).toEqual({ ok: true, value: [128, 64] });
  expect(readCells("128 × 64", [2])).toEqual({ ok: true, value: [128, 64] });
  expect(readCells(" ", [2])).toEqual({ ok: true, value: null });
  expect(readCells("128", [2])).toMatchObject({ ok: false });
  expect(readCells("a", [1])).toMatchObject({ ok: false });
});
