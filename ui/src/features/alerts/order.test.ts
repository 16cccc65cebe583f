import { expect, it } from "vitest";
import { inOrder, summarise } from "./order";
import type { Alert } from "./queries";

const alert = (id: string, severity: string, part: Partial<Alert> = {}) =>
  ({ id, severity, state: "firing", fired_at: `2026-11-30T20:00:0${id}Z`, acknowledged_at: null, silence: null, inhibited_by: null, ...part }) as Alert;

it("puts the worst first, then what nobody has taken, then the newest, and what is covered last", () => {
  const alerts = [
    alert("1", "low"), alert("2", "high", { acknowledged_at: "2026-11-30T20:01:00Z" }), alert("3", "high"), alert("4", "high"),
    alert("5", "critical", { silence: "s" }),
  ];
  expect(inOrder(alerts).map((item) => item.id)).toEqual(["4", "3", "2", "1", "5"]);
  expect(summarise(alerts)).toBe("4 alerts, the worst high; 3 not acknowledged. 1 more is silenced or inhibited.");
});

it("says that nothing needs anybody, and never hides that something is covered", () => {
  expect(summarise([])).toBe("Nothing needs you.");
  expect(summarise([alert("1", "critical", { inhibited_by: "run-stale" })])).toBe("Nothing needs you. 1 more is silenced or inhibited.");
  expect(summarise([alert("1", "low", { acknowledged_at: "2026-11-30T20:01:00Z" })])).toContain("all are acknowledged");
});
