import { expect, it } from "vitest";
import { LEAST_SPANS, RunScale, roundSpan } from "./scale";

it("rounds ends outwards to steps that people read", () => {
  expect(roundSpan({ low: 21.3, high: 83.8 })).toEqual({ low: 20, high: 85 });
  expect(roundSpan({ low: 0, high: 1 })).toEqual({ low: 0, high: 1 });
  expect(roundSpan({ low: -3.2e6, high: 7.6e7 })).toEqual({ low: -5e6, high: 8e7 });
});

it("gives an even field some room, and nothing a span", () => {
  const even = roundSpan({ low: 20, high: 20 });
  expect(even.low).toBeLessThan(20);
  expect(even.high).toBeGreaterThan(20);
  expect(roundSpan({ low: Number.NaN, high: 1 })).toEqual({ low: 0, high: 1 });
});

it("widens and never narrows, so that a colour keeps its value", () => {
  const scale = new RunScale();
  expect(scale.widen(20, 80)).toBe(true);
  const before = scale.span;
  expect(scale.widen(30, 40)).toBe(false);
  expect(scale.span).toEqual(before);
  expect(scale.widen(30, 140)).toBe(true);
  expect(scale.span.high).toBeGreaterThanOrEqual(140);
  expect(scale.span.low).toBeLessThanOrEqual(20);
  expect(scale.widen(Number.NaN, 3)).toBe(false);
});

it("shows limits that mean something, whatever was seen", () => {
  const scale = new RunScale(LEAST_SPANS["utilisation"] ?? null);
  expect(scale.span).toEqual({ low: 0, high: 1 });
  scale.widen(0, 0.1);
  expect(scale.span).toEqual({ low: 0, high: 1 });
  scale.widen(0, 1.31);
  expect(scale.span.high).toBeGreaterThanOrEqual(1.31);
});
