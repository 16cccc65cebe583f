import { expect, it } from "vitest";
import { choice, choices, defined, flag, integer, parseSearch, real, stringifySearch, text, texts } from "./search";

it("writes lists with commas and leaves out what is empty", () => {
  const search = { status: ["failed", "timed_out"], sim: "heat", q: "", after: undefined, pair: true, limit: 50, off: false };
  expect(stringifySearch(search)).toBe("?status=failed,timed_out&sim=heat&pair=1&limit=50");
  expect(stringifySearch({})).toBe("");
});

it.each([
  [{ label: ["owner:me & you", "a,b:c=d"] }],
  [{ q: "50 % + x/y" }],
  [{ q: "ümläut #1" }],
])("reads back what it wrote: %o", (search) => expect(parseSearch(stringifySearch(search))).toEqual(search));

it("reads a query typed by hand", () => {
  expect(parseSearch("?q=100%&x&=y&&sim=heat-rod")).toEqual({ q: "100%", x: "", sim: "heat-rod" });
});

it("takes only what fits", () => {
  expect(text(["a", "b"])).toBe("a,b");
  expect(texts("one")).toEqual(["one"]);
  expect(texts([])).toBeUndefined();
  expect(choice("csv", ["csv", "json"])).toBe("csv");
  expect(choice("CSV", ["csv", "json"])).toBeUndefined();
  expect(choices(["failed", "nonsense"], ["queued", "failed"])).toEqual(["failed"]);
  expect(integer("50", 1, 200)).toBe(50);
  expect(integer("500", 1, 200)).toBeUndefined();
  expect(integer("5.5", 1, 200)).toBeUndefined();
  expect(real("1e-3")).toBe(1e-3);
  expect(real("x")).toBeUndefined();
  expect(flag("1")).toBe(true);
  expect(flag("0")).toBeUndefined();
  expect(defined({ a: 1, b: undefined })).toEqual({ a: 1 });
});
