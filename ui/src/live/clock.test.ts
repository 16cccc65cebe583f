import { expect, it } from "vitest";
import { isStale, ServerClock } from "./clock";

it("believes the answer with the smallest round trip of the last eight", () => {
  const clock = new ServerClock();
  expect(clock.offset).toBe(0);
  clock.observe(1000, 6500, 2000); // 1 s on its way: 5000 apart
  clock.observe(3000, 8110, 3020); // 20 ms: 5100 apart
  clock.observe(4000, 9900, 5600);
  expect(clock.offset).toBe(5100);
  expect(clock.roundTrip).toBe(20);
  for (let count = 0; count < 8; count += 1) clock.observe(6000, 11_300, 6200);
  expect(clock.offset).toBe(5200); // the quickest is too old to count
});

it("takes no answer that came before its question, as after the local clock was set", () => {
  const clock = new ServerClock();
  clock.observe(5000, 1, 4000);
  clock.observe(5000, Number.NaN, 5001);
  expect(clock.roundTrip).toBeUndefined();
});

it("tells ages, never negative ones", () => {
  const clock = new ServerClock();
  clock.observe(1000, 2010, 1020); // the server is 1 s ahead
  expect(clock.age(2500, 2000)).toBe(500);
  expect(clock.age(9999, 2000)).toBe(0);
  clock.reset();
  expect(clock.offset).toBe(0);
});

it("calls data stale above 2 s, or above three of their intervals where that is longer", () => {
  expect(isStale(1999)).toBe(false);
  expect(isStale(2001)).toBe(true);
  expect(isStale(2500, 1000)).toBe(false);
  expect(isStale(3001, 1000)).toBe(true);
});
