import { expect, it } from "vitest";
import { EMPTY, findFaults, leadingNumber, toDraft, toRule, refusedFields } from "./rule";

const draft = { ...EMPTY, name: "hot", raise: "247 degC", clear: "240 degC", for: "2 s" };

it("keeps units as they are typed, and plain numbers as numbers", () => {
  expect(toRule(draft)).toEqual({ name: "hot", metric: "highest", op: ">", raise: "247 degC", clear: "240 degC", for: "2 s", severity: "medium" });
  expect(toRule({ ...draft, raise: "52.5", clear: "-1e3", for: "0 s" })).toMatchObject({ raise: 52.5, clear: -1000 });
  expect(toRule({ ...draft, for: "0 s" })).not.toHaveProperty("for");
  expect(toRule({ ...draft, name: "7" })["name"]).toBe("7");
});

it("keeps what the form does not show", () => {
  const stored = { name: "hot", metric: "rate_ratio", op: "<", raise: 0.9, clear: 0.98, labels: { team: "furnace" }, no_data: { then: "fire" } };
  expect(toRule(toDraft(stored), stored)).toMatchObject({ labels: { team: "furnace" }, no_data: { then: "fire" }, raise: 0.9, clock: "wall" });
});

it("refuses what cannot be: no name, no threshold, an end on the wrong side, a critical rule without a runbook", () => {
  expect(findFaults(draft)).toEqual({});
  for (const name of ["hot deck", "Hot", "7", "a".repeat(101)]) expect(findFaults({ ...draft, name })).toHaveProperty("name");
  expect(findFaults({ ...draft, name: `a${"-.9_".repeat(24)}` })).toEqual({});
  expect(Object.keys(findFaults(EMPTY))).toEqual(["name", "raise", "clear"]);
  expect(findFaults({ ...draft, clear: "250 degC" })).toHaveProperty("clear");
  expect(findFaults({ ...draft, clear: "500 K" })).toEqual({}); // other units are the server's to compare
  expect(findFaults({ ...draft, op: "<" })).toHaveProperty("clear");
  expect(findFaults({ ...draft, severity: "critical" })).toHaveProperty("runbook");
  expect(leadingNumber("hot")).toBeUndefined();
});

it("finds the fields that the server named", () => {
  const errors = [{ field: "rule.raise", message: "a number" }, { field: "rules[0].for", message: "at most 1 d" }, { field: "truth", message: "an expression" }];
  expect(refusedFields(errors)).toEqual({ raise: "a number", for: "at most 1 d", truth: "an expression" });
});
