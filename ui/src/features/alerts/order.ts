/** The order of a list of alerts, and the sentence above it. */
import { plural } from "@/lib/format";
import type { Alert } from "./queries";

const ORDER = ["critical", "high", "medium", "low"];

/** The worst first; those that nobody has taken before those that somebody has; then the newest. */
export function inOrder(alerts: readonly Alert[]): Alert[] {
  const rank = (alert: Alert) =>
    10 * Number(isCovered(alert)) + 2 * Math.max(0, ORDER.indexOf(alert.severity ?? "low")) + Number(alert.acknowledged_at !== null);
  return [...alerts].sort((a, b) => rank(a) - rank(b) || b.fired_at.localeCompare(a.fired_at));
}

export function isCovered(alert: Pick<Alert, "silence" | "inhibited_by">): boolean {
  return alert.silence !== null || alert.inhibited_by !== null;
}

/** What the active alerts say together. */
export function summarise(alerts: readonly Alert[]): string {
  const heard = alerts.filter((alert) => !isCovered(alert));
  const covered = alerts.length - heard.length;
  const behind = covered === 0 ? "" : ` ${plural(covered, "more is", "more are")} silenced or inhibited.`;
  if (heard.length === 0) return `Nothing needs you.${behind}`;
  const worst = ORDER.find((name) => heard.some((alert) => alert.severity === name)) ?? "low";
  const untaken = heard.filter((alert) => alert.acknowledged_at === null).length;
  const taken = untaken === 0 ? "all are acknowledged" : `${untaken} not acknowledged`;
  return `${plural(heard.length, "alert")}, the worst ${worst}; ${taken}.${behind}`;
}
