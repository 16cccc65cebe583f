import { describe, expect, it } from "vitest";
import { Ring, SeriesRings } from "./ring";

describe("Ring", () => {
  it("gives the newest values in their order, from any start", () => {
    const ring = new Ring(4);
    expect([...ring.window()]).toEqual([]);
    expect(ring.last).toBeUndefined();
    for (let value = 1; value <= 11; value += 1) {
      ring.push(value);
      const first = Math.max(1, value - 3);
      expect([...ring.window()]).toEqual(Array.from({ length: value - first + 1 }, (_, place) => first + place));
      expect(ring.last).toBe(value);
    }
    expect([...ring.window(2)]).toEqual([10, 11]);
    expect([...ring.window(99)]).toEqual([8, 9, 10, 11]);
    expect([...ring.window(0)]).toEqual([]);
  });

  it("returns views, so that nothing is copied for a painter", () => {
    const ring = new Ring(3);
    ring.push(1);
    ring.push(2);
    expect(ring.window().buffer).toBe(ring.window(1).buffer);
    ring.clear();
    expect(ring.length).toBe(0);
    expect([...ring.window()]).toEqual([]);
  });
});

describe("SeriesRings", () => {
  it("leaves out rows that it has, and marks what is missing", () => {
    const rings = new SeriesRings(["peak", "mean"], 3);
    expect(rings.push(2, 0.2, { peak: 10, mean: 5 })).toBe(true);
    expect(rings.push(2, 0.2, { peak: 11, mean: 5 })).toBe(false);
    expect(rings.push(1, 0.1, { peak: 11, mean: 5 })).toBe(false);
    expect(rings.push(4, 0.4, { peak: null })).toBe(true);
    const [time, peak, mean] = rings.windows(["peak", "mean"]);
    expect([...(time ?? [])]).toEqual([0.2, 0.4]);
    expect([...(peak ?? [])]).toEqual([10, Number.NaN]);
    expect([...(mean ?? [])]).toEqual([5, Number.NaN]);
    expect(rings.last("peak")).toBeUndefined();
    expect(rings.version).toBe(2);
  });

  it("begins again after it was cleared", () => {
    const rings = new SeriesRings(["peak"], 3);
    rings.push(9, 1, { peak: 1 });
    rings.clear();
    expect(rings.push(3, 0.3, { peak: 2 })).toBe(true);
    expect(rings.last("peak")).toBe(2);
    expect(rings.windows(["absent"])[1]?.length).toBe(0);
  });
});
