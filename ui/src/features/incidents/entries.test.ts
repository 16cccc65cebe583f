import { expect, it } from "vitest";
import { describeEntry, describeStep, isShownUnder, lastOutcome, toLanes, toRow } from "./entries";
import type { Entry } from "./queries";

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

const entry = (n: number, kind: string, tick: number | null, more: Partial<Entry> = {}): Entry => ({
  n, kind, tick, at: "2026-11-30T14:02:11Z", by: null, hash: `h${n}`, payload: {}, ...more,
});

it("puts entries into lanes over ticks, those of people where the run was then", () => {
  const lanes = toLanes([entry(1, "opened", null), entry(2, "alert", 40), entry(3, "note", null, { by: "vera", payload: { text: "looking" } }), entry(4, "command", 55)]);
  expect(lanes.map(({ lane, tick }) => [lane, tick])).toEqual([["people", 40], ["alerts", 40], ["people", 40], ["commands", 55]]);
  expect(lanes[2]).toMatchObject({ text: "note looking", isFilled: true });
  expect(toRow(entry(3, "note", null, { payload: { text: "=1+1" } }))).toEqual([3, "2026-11-30T14:02:11Z", null, "note", "=1+1", "Grid", "h3"]);
});

it("says what a step of a runbook does, and what came of it", () => {
  expect(describeStep({ kind: "check", content: { metric: "highest", op: "<", value: 520 } })).toBe("highest < 520");
  expect(describeStep({ kind: "do", content: { kind: "speed", payload: { speed: 0.5 } } })).toBe("speed 0.5");
  expect(describeStep({ kind: "do", content: { kind: "pause", payload: {} } })).toBe("pause");
  expect(describeStep({ kind: "say", content: { text: "Tell the operator." } })).toBe("Tell the operator.");
  const taken = (n: number, payload: Record<string, unknown>) => entry(n, "runbook", null, { payload: payload as never, by: "vera" });
  const entries = [taken(5, { step: 1, found: 538.2, passed: false }), taken(6, { step: 2, seq: 7 }), taken(7, { step: 1, found: 510, passed: true })];
  expect(lastOutcome(entries, 1)?.text).toBe("found 510, passed");
  expect(lastOutcome(entries, 2)?.text).toBe("sent as #7");
  expect(lastOutcome([taken(5, { step: 1, found: null, passed: false })], 1)?.text).toBe("no value, has not passed");
  expect(lastOutcome(entries, 3)).toBeUndefined();
});
