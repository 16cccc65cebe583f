import { expect, it } from "vitest";
import { placeTiles } from "./pictureSheet";

const tile = (width: number, height: number) => ({ width, height });

it("stacks one or two pictures, and puts more into two columns", () => {
  expect(placeTiles([tile(100, 50)])).toEqual({ places: [[0, 0]], width: 100, height: 70 });
  expect(placeTiles([tile(100, 50), tile(80, 30)]).places).toEqual([[0, 0], [0, 86]]);
  expect(placeTiles([tile(100, 50), tile(60, 80), tile(100, 40), tile(10, 10)])).toEqual({
    places: [[0, 0], [116, 0], [0, 116], [116, 116]], width: 176, height: 176,
  });
});
