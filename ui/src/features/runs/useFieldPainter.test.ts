import { expect, it } from "vitest";
import { looksAs, type Picture, type Reading, tellsAs } from "./useFieldPainter";

const picture = {
  body: { cells: [4, 4], origin: null, size: null }, field: "temperature", source: {}, locked: undefined, thresholds: [60], cut: undefined,
  slice: 0, isHeld: false, known: { low: 20, high: 90 },
} as unknown as Picture;
const reading: Reading = { probed: undefined, probe: undefined, highest: 90, hottest: [1, 2], span: { low: 0, high: 100 }, size: [4, 4] };

it("draws nothing anew for what looks the same, as after each reading", () => {
  expect(looksAs(picture, { ...picture, thresholds: [60], known: { low: 20, high: 90 } })).toBe(true);
  const others: Partial<Picture>[] = [
    { locked: { low: 0, high: 1 } }, { thresholds: [60, 70] }, { thresholds: [61] }, { cut: 1 }, { slice: 1 }, { isHeld: true }, { known: { low: 20, high: 91 } },
    { known: undefined },
  ];
  for (const other of others) expect(looksAs(picture, { ...picture, ...other })).toBe(false);
});

it("tells nothing anew where nothing else is read", () => {
  expect(tellsAs(reading, { ...reading, hottest: [1, 2], span: { low: 0, high: 100 } })).toBe(true);
  const others: Partial<Reading>[] = [{ probed: [0, 0] }, { probe: 3 }, { highest: 91 }, { hottest: [1, 3] }, { span: { low: 0, high: 200 } }, { size: [2, 2] }];
  for (const other of others) expect(tellsAs(reading, { ...reading, ...other })).toBe(false);
});
