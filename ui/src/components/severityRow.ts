import type { SeverityName } from "./Severity";
import classes from "./Severity.module.css";

/** Attributes of a row that shows an alert: the bar at the left, and the filled ground of a critical one. */
export function severityRow(name: SeverityName): { className: string; "data-severity": SeverityName } {
  return { className: classes["row"] ?? "", "data-severity": name };
}
