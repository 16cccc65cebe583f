import { expect, it } from "vitest";
import { roundTicks } from "./ticks";

it.each([
  [0, 100, 5, [0, 20, 40, 60, 80, 100]],
  [0, 1, 4, [0, 0.5, 1]],
  [-0.3, 0.3, 3, [-0.2, 0, 0.2]],
  [291.2, 293.9, 3, [292, 293]],
  [5, 5, 5, [5]],
  [0, Number.NaN, 5, [0]],
])("gives round values within %d and %d", (low, high, count, ticks) => expect(roundTicks(low, high, count)).toEqual(ticks));
