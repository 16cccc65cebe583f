import { expect, it } from "vitest";
import { csvRow } from "./csv";

it("writes numbers with all digits, and nothing for what is missing", () => {
  expect(csvRow([0.1 + 0.2, -1e-9, null, undefined, Number.NaN, 0])).toBe("0.30000000000000004,-1e-9,,,,0\r\n");
});

it("quotes what would end a field, and defuses formulas", () => {
  expect(csvRow(['a "b", c', "=1+1", "-x", "x"])).toBe("\"a \"\"b\"\", c\",'=1+1,'-x,x\r\n");
});
