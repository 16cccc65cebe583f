/** Severities of alerts, and which alerts a person is to hear of. */

export const SEVERITIES = ["critical", "high", "medium", "low"] as const;
export type SeverityWord = (typeof SEVERITIES)[number];

/** Return the alerts that nobody has silenced and that no other alert explains. */
export function heard<Alert extends { readonly silence: string | null; readonly inhibited_by: string | null }>(
  alerts: readonly Alert[],
): readonly Alert[] {
  return alerts.filter((alert) => alert.silence === null && alert.inhibited_by === null);
}

/** Return the worst severity of alerts; null where there is none. */
export function worst(alerts: readonly { readonly severity: string | null }[]): SeverityWord | null {
  return SEVERITIES.find((name) => alerts.some((alert) => alert.severity === name)) ?? null;
}
