import { expect, it } from "vitest";
import { change, describe, type Ghost, settle } from "./ghosts";

const ghost: Ghost = { clientId: "a", kind: "burst", at: [3, 4], radius: 0.05, event: {}, state: "draft" };
const other: Ghost = { ...ghost, clientId: "b", state: "sent", seq: 8 };

it("goes from a draft by its number to the tick at which it took effect", () => {
  let ghosts: readonly Ghost[] = [ghost, other];
  ghosts = change(ghosts, "a", { state: "sent", seq: 7 });
  expect(describe(ghosts[0] as Ghost)).toBe("sent, #7");
  ghosts = settle(ghosts, [
    { kind: "applied", tick: 12, payload: { seq: 6 } },
    { kind: "applied", tick: 15, payload: { seq: 7 } },
  ]);
  expect(ghosts).toMatchObject([{ state: "applied", tick: 15 }, { state: "sent" }]);
});

it("says why one was refused", () => {
  const [settled] = settle([{ ...other, state: "late" }], [{ kind: "refused", tick: 3, payload: { seq: 8, reason: "outside the body" } }]);
  expect(describe(settled as Ghost)).toBe("refused: outside the body");
});

it("returns the same list where nothing is settled, so that nothing is drawn anew", () => {
  const ghosts = [ghost, other];
  expect(settle(ghosts, [{ kind: "applied", tick: 1, payload: { seq: 1 } }])).toBe(ghosts);
  expect(settle([ghost], [{ kind: "applied", tick: 1, payload: {} }])[0]).toBe(ghost);
});
