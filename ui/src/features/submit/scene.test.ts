import { expect, it } from "vitest";
import { CONFLICT, faceOf, HOLE, type Run, sceneOf } from "./scene";

const PLATE = { dimension: 2, domain: { size: [2, 1] }, material: { conductivity: 1 } };
const area = (runs: readonly Run[], kind: number) => runs.filter((run) => run.kind === kind).reduce((sum, run) => sum + run.width * run.height, 0);
const front = (problem: object) => sceneOf(problem as never).paint(faceOf(problem as never, "front"));

it("is of one material where nothing else is said", () => {
  expect(area(front(PLATE).regions, 0)).toBeCloseTo(1, 9);
  expect(front(PLATE).sources).toEqual([]);
});

it("shows each material where it is, and where two are or none", () => {
  const where = (expression: string) => ({ where: { expression }, conductivity: 1 });
  const two = { ...PLATE, material: [where("x < 0.5"), where("x >= 0.5")] };
  expect(area(front(two).regions, 0)).toBeCloseTo(0.25, 9);
  expect(area(front(two).regions, 1)).toBeCloseTo(0.75, 9);
  expect(sceneOf(two).hasConflict).toBe(false);
  const wrong = { ...PLATE, material: [where("x < 0.5"), where("x > 1")] };
  expect(area(front(wrong).regions, CONFLICT)).toBeCloseTo(0.25, 2);
  expect(sceneOf(wrong)).toMatchObject({ hasConflict: true, isReadable: true });
  expect(sceneOf({ ...PLATE, material: [where("x <"), where("x > 1")] })).toMatchObject({ hasConflict: false, isReadable: false });
});

it("shows holes of their true size, and sources outside of them", () => {
  const holed = { ...PLATE, domain: { size: [2, 1], active: { expression: "(x - 1)**2 + (y - 0.5)**2 > 0.3**2" } }, source_term: { expression: "where(x < 1, 5, 0)" } };
  expect(area(front(holed).regions, HOLE)).toBeCloseTo((Math.PI * 0.09) / 2, 2);
  expect(area(front(holed).sources, 1)).toBeCloseTo(0.5 - (Math.PI * 0.09) / 4, 2);
});

it("finds contacts by their share of the box", () => {
  const contacts = [{ axis: "x", position: 0.5, conductance: 9 }, { axis: "q", position: 1 }, { axis: "y", position: "1" }];
  expect(sceneOf({ ...PLATE, domain: { size: [2, 1], origin: [-0.5, 0] }, contacts }).contacts).toEqual([{ axis: "x", share: 0.5 }]);
});
