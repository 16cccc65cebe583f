import { expect, it } from "vitest";
import { readGradient } from "./picture";

it("reads gradients as style sheets compute them, and nothing else", () => {
  const colours = ["rgb(0, 34, 78)", "rgb(253, 231, 55)"];
  expect(readGradient(`linear-gradient(to top, ${colours.join(", ")})`)).toEqual({ isUpright: true, colours });
  expect(readGradient("linear-gradient(to right, #102030, #ffffff)")).toEqual({ isUpright: false, colours: ["#102030", "#ffffff"] });
  expect(["none", "linear-gradient(45deg, #000, #fff)", "linear-gradient(to top, red)", "url(/x.png)"].map(readGradient)).toEqual([null, null, null, null]);
});
