import { expect, it } from "vitest";
import { append, type LiveEvent, nextAlert, toEntry } from "./timeline";

const event = (n: number, kind: string, payload: Record<string, unknown> = {}, tick = n): LiveEvent => ({
  n, tick, step: 8 * tick, kind, payload, origin: "engine", created_at: "2026-11-30T20:00:00Z",
});
const name = (seq: number) => (seq === 2 ? "burst" : undefined);

it("puts each event into its lane with a sentence", () => {
  expect(toEntry(event(5, "applied", { seq: 2 }), name)).toMatchObject({ lane: "commands", text: "burst #2 took effect", isFilled: true });
  expect(toEntry(event(5, "refused", { seq: 9, reason: "too late" }), name).text).toBe("command #9 was refused: too late");
  expect(toEntry(event(6, "switch", { model: "diffusive", text: "beyond its limit" }), name)).toMatchObject({ lane: "model", text: "model diffusive: beyond its limit" });
  const alert = toEntry(event(7, "alert", { rule: "hot", from: "ok", to: "firing", value: 52.66 }), name);
  expect(alert).toMatchObject({ lane: "alerts", text: "hot: ok to firing at 52.66", isFilled: true });
  expect(toEntry(event(8, "alert", { rule: "hot", from: "firing", to: "ok" }), name).isFilled).toBe(false);
  expect(toEntry(event(9, "state", { state: "paused", reason: null }), name)).toMatchObject({ lane: "notes", text: "the run is paused" });
  expect(toEntry(event(9, "of-later-versions"), name)).toMatchObject({ lane: "notes", text: "of-later-versions" });
});

it("shows an event once, though it is told twice", () => {
  const known = [event(1, "state"), event(2, "state")];
  expect(append(known, [event(2, "state")])).toBe(known);
  expect(append(known, [event(2, "state"), event(3, "alert")]).map((item) => item.n)).toEqual([1, 2, 3]);
  expect(append(known, [event(3, "alert")], 2).map((item) => item.n)).toEqual([2, 3]);
});

it("leaps from alert to alert", () => {
  const events = [event(1, "alert", { to: "firing" }, 10), event(2, "alert", { to: "ok" }, 20), event(3, "alert", { to: "firing" }, 30)];
  expect(nextAlert(events, 10, 1)).toBe(30);
  expect(nextAlert(events, 30, -1)).toBe(10);
  expect(nextAlert(events, 30, 1)).toBeUndefined();
});
