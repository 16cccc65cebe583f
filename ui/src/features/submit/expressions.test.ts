import { expect, it } from "vitest";
import { compile, complement } from "./expressions";

const HERE = { x: 0.25, y: 2, z: 0, t: 0, T: 20 };
const at = (text: string) => compile(text)?.(HERE);

it.each<[string, number]>([
  ["1 + 2*3", 7], ["-x**2", -0.0625], ["2**3**2", 512], ["2**-1", 0.5], ["1/4 - x", 0], [".5e1 + 1.", 6], ["-(1 - 3)", 2],
  ["(x < 0.5) & (y > 1)", 1], ["(x > 0.5) | (y > 1)", 1], ["x < 0.5", 1], ["x >= 0.5", 0], ["where(x < 0.5, 10, 20) + 1", 11],
  ["maximum(x, y) * pi / pi", 2], ["(x - 0.25)**2 + (y - 2)**2 < 0.01", 1], ["sin(0) + cos(0)", 1], ["10 - 4 - 3", 3], ["T + t", 20],
])("computes %s", (text, value) => expect(at(text)).toBeCloseTo(value, 12));

it("computes the error function", () => {
  expect(at("erf(0.5)")).toBeCloseTo(0.5204998778, 6);
  expect(at("erfc(-1)")).toBeCloseTo(1.8427007929, 6);
});

it.each(["", "x +", "(x", "x)", "2 x", "sin x", "sin(x, y)", "minimum(x)", "nonsense(x)", "u", "x ^ 2", "x < y < 1", "x; y", "1..2", "(".repeat(500)])(
  "does not read %s", (text) => expect(compile(text)).toBeUndefined(),
);

it.each(["x < 0.25", "x <= 0.25", "x**2 + y > 3", "(x < 0.1) | (y < 0.1)", "(x - 1)**2 < 1"])("turns %s round", (text) => {
  const [one, other] = [compile(text), compile(complement(text))];
  for (const x of [0, 0.25, 0.5, 3]) {
    for (const y of [0, 2]) expect((one?.({ ...HERE, x, y }) ?? 0) + (other?.({ ...HERE, x, y }) ?? 0)).toBe(1);
  }
});
