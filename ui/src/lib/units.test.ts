import { describe, expect, it } from "vitest";
import { CONVERSIONS, differenceUnit, parseQuantity, printUnit } from "./units";

describe("printUnit", () => {
  it.each([
    ["m2/s", "m²/s"],
    ["W/(m K)", "W/(m·K)"],
    ["W/(m2 K)", "W/(m²·K)"],
    ["kg/m3", "kg/m³"],
    ["degC", "°C"],
    ["1/K", "1/K"],
    ["1", ""],
    ["", ""],
  ])("prints %s as %s", (unit, printed) => expect(printUnit(unit)).toBe(printed));

  it("prints nothing for a quantity without unit", () => expect(printUnit(null)).toBe(""));
});

describe("parseQuantity", () => {
  it.each([
    ["1e-3", 1e-3],
    [" -4.5 ", -4.5],
    ["\u22124", -4],
    [".5", 0.5],
    ["+2.", 2],
  ])("takes %s", (text, value) => expect(parseQuantity(text)).toEqual({ ok: true, value, unit: null }));

  it.each([
    ["50 cm", "m", 0.5],
    ["20°C", "degC", 20],
    ["293.15 K", "degC", 20],
    ["20 °C", "K", 293.15],
    ["12 mm²/s", "m2/s", 12e-6],
    ["36 km/h", "m/s", 10],
    ["5 %", "", 0.05],
    ["2 W/(m·K)", "W/(m K)", 2],
  ])("converts %s into %s", (text, unit, value) => {
    const parsed = parseQuantity(text, unit);
    expect(parsed.ok && parsed.value).toBeCloseTo(value, 12);
  });

  it.each([
    ["1,5", undefined, "1.5"],
    ["", undefined, "missing"],
    ["ten", undefined, "not a number"],
    ["1e999", undefined, "too large"],
    ["5 kg", "m", "in m"],
    ["5 parsecs", "m", "does not fit"],
    ["5 m", "", "no unit"],
    ["1.2.3", undefined, "does not fit"],
  ])("refuses %s with its reason", (text, unit, part) => {
    const parsed = parseQuantity(text, unit);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? "" : parsed.reason).toContain(part);
  });

  it("names only units of the table as targets", () => {
    for (const { si } of Object.values(CONVERSIONS)) expect(si === "1" || si in CONVERSIONS).toBe(true);
  });
});

it("gives differences of temperatures in kelvin", () => {
  expect(differenceUnit("degC")).toBe("K");
  expect(differenceUnit("Pa")).toBe("Pa");
});
