import { expect, it } from "vitest";
import { describeEntry, isShownUnder } from "./entries";

it("says an entry's own words first", () => {
  expect(describeEntry({ payload: { text: "the fan stands still", tick: 4 } })).toBe("the fan stands still");
  expect(describeEntry({ payload: { rule: "hot", value: 52.659849, is_done: true, nothing: null } })).toBe("rule hot, value 52.66, is_done yes");
  expect(describeEntry({ payload: {} })).toBe("");
});

it("keeps markup as text", () => {
  expect(describeEntry({ payload: { text: "<img src=x onerror=alert(1)>" } })).toBe("<img src=x onerror=alert(1)>");
});

it("filters by lanes", () => {
  expect(isShownUnder({ kind: "note" }, "people")).toBe(true);
  expect(isShownUnder({ kind: "alert" }, "people")).toBe(false);
  expect(isShownUnder({ kind: "alert" }, "alerts")).toBe(true);
  expect(isShownUnder({ kind: "command" }, "commands")).toBe(true);
  expect(isShownUnder({ kind: "of-later-versions" }, "all")).toBe(true);
});
