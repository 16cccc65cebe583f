import { expect, it } from "vitest";
import { isWaitingForKernels, nextSpeed } from "./states";

it("steps through speeds, also from one between them, and stops at either end", () => {
  expect([nextSpeed("1", 1), nextSpeed("1", -1), nextSpeed("3", 1), nextSpeed("3", -1)]).toEqual(["2", "0.5", "4", "2"]);
  expect([nextSpeed("10", 1), nextSpeed("max", 1), nextSpeed("max", -1), nextSpeed("0.1", -1)]).toEqual(["max", undefined, "10", undefined]);
});

it("tells of kernels only where ticks wait for them", () => {
  expect(isWaitingForKernels({ activity: "compiling", status: "running" }, false)).toBe(true);
  expect(isWaitingForKernels({ activity: "compiling", status: "running" }, true)).toBe(false);
  expect(isWaitingForKernels({ activity: null, status: "running" }, false)).toBe(false);
});
