import { describe, expect, it } from "vitest";
import {
  inSentence,
  formatAge, formatBytes, formatCount, formatDuration, formatNumber,
  givenDigits, formatPercent, formatQuantity, formatTick,
  formatTime, plural, shortId, zoneName,
} from "./format";

/** Thin spaces are written as ordinary ones here. */
const plain = (text: string) => text.replaceAll("\u2009", " ");

describe("formatNumber", () => {
  it.each([
    [90.6, 4, "90.60"],
    [0.005, 4, "0.005000"],
    [12345.678, 4, "12 346"],
    [1.2e-5, 2, "1.2×10⁻⁵"],
    [-3.14159, 3, "−3.14"],
    [0, 4, "0"],
    [20000, 4, "20 000"],
    [1234, 4, "1234"],
    [9.99999, 4, "10.00"],
    [2.5e8, 3, "2.50×10⁸"],
    [Number.NaN, 4, "–"],
    [null, 4, "–"],
    [Number.NEGATIVE_INFINITY, 4, "−∞"],
  ])("prints %d with %d digits", (value, digits, text) => expect(plain(formatNumber(value, digits))).toBe(text));
});

it("puts a thin space and the printed unit behind a value", () => {
  expect(plain(formatQuantity(0.5, "m2/s", 2))).toBe("0.50 m²/s");
  expect(formatQuantity(null, "m")).toBe("–");
});

it.each([
  [0, "0"], [1500, "1500"], [20_000, "20 k"], [-1_500_000, "−1.5 M"], [0.25, "0.25"],
])("prints %d at an axis", (value, text) => expect(plain(formatTick(value))).toBe(text));

it.each([
  [0, "0 %"], [0.58, "58 %"], [0.0004, "0.0 %"], [0.9996, "99.9 %"], [1, "100 %"],
])("never rounds %d up to all or down to nothing", (value, text) => expect(plain(formatPercent(value))).toBe(text));

it.each([
  [0, "0 B"], [999, "999 B"], [235_000, "235 kB"], [999_600, "1 MB"], [1.5e9, "1.5 GB"],
])("prints %d bytes", (value, text) => expect(plain(formatBytes(value))).toBe(text));

it.each([
  [0, "0 s"], [0.0031, "3.1 ms"], [0.31, "0.31 s"], [59.6, "1 min"], [252, "4 min 12 s"], [7500, "2 h 5 min"],
  [3600 * 76, "3 d 4 h"], [86399, "1 d"],
])("prints %d seconds", (value, text) => expect(plain(formatDuration(value))).toBe(text));

it.each([[0.4, "now"], [12.9, "12 s ago"], [250, "4 min ago"], [-3, "in 3 s"], [90_000, "1 d ago"]])(
  "prints an age of %d s", (value, text) => expect(plain(formatAge(value))).toBe(text),
);

describe("formatTime", () => {
  const now = new Date("2026-11-30T15:00:00Z");
  it.each([
    ["2026-11-30T13:02:11Z", "14:02:11"],
    ["2026-11-29T13:02:11Z", "29 Nov 14:02:11"],
    ["2025-11-30T13:02:11Z", "30 Nov 2025 14:02:11"],
  ])("prints %s in the viewer's zone", (iso, text) => {
    expect(formatTime(new Date(iso), now, "Europe/Berlin")).toBe(text);
  });
  it("prints what is no time as missing", () => expect(formatTime(new Date("?"), now)).toBe("–"));
  it("names the zone", () => expect(zoneName(now, "UTC")).toBe("UTC"));
});

it("counts with the right noun", () => {
  expect(plural(1, "job")).toBe("1 job");
  expect(plain(plural(20_000, "job"))).toBe("20 000 jobs");
  expect(formatCount(-5)).toBe("−5");
});

it("shortens an identifier to its ends, which are what differs", () => {
  expect(shortId("019a1b2c-3d4e-7f60-8a1b-2c3d4e5f6a7b")).toBe("019a1b2c…6a7b");
});

it.each([[0.05, 1], [1e-4, 1], [0.125, 3], [100, 1], [1.0000001, 1], [1 / 3, 6], [0, 1]])("shows %d with the %d digits it was given", (value, digits) => {
  expect(givenDigits(value)).toBe(digits);
});

it("puts a title into a sentence, and leaves names of people alone", () => {
  expect(["Heat flux at low x", "Young's modulus", "RMS", ""].map(inSentence)).toEqual(["heat flux at low x", "Young's modulus", "RMS", ""]);
});
