/** Order of alerts: which is shown first, and which are covered. */
import type { Alert } from "./queries";

const ORDER = ["critical", "high", "medium", "low"];

/** Tell whether an alert is neither silenced nor explained by another one. */
export function isHeard(alert: Pick<Alert, "silence" | "inhibited_by">): boolean {
  return alert.silence === null && alert.inhibited_by === null;
}

/** Tell whether an alert goes on. */
export function isActive(alert: Pick<Alert, "state">): boolean {
  return alert.state === "firing" || alert.state === "holding";
}

/** Sort alerts: the active first, among them the worst, then the newest. */
export function sortAlerts<Item extends Pick<Alert, "state" | "severity" | "fired_at">>(alerts: readonly Item[]): Item[] {
  const rank = (alert: Item) => (isActive(alert) ? 0 : 10) + Math.max(0, ORDER.indexOf(alert.severity ?? "low"));
  return [...alerts].sort((a, b) => rank(a) - rank(b) || b.fired_at.localeCompare(a.fired_at));
}

/** Return the worst alert that goes on and is heard, or undefined. */
export function worstOf(alerts: readonly Alert[]): Alert | undefined {
  return sortAlerts(alerts.filter((alert) => isActive(alert) && isHeard(alert)))[0];
}
