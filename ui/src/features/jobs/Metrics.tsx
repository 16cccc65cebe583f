import { Fragment } from "react";
import { Facts } from "@/components/Facts";
import { Quantity } from "@/components/Quantity";
import { formatNumber } from "@/lib/format";
import classes from "./jobs.module.css";
import type { Job } from "./queries";
import type { Audit, SimulationOut } from "./types";
import { metricGuide } from "./words";

/** What a run has measured, with units; those that are no finite number say so. */
export function MetricList({ job, simulation, most = Number.POSITIVE_INFINITY }: { job: Job; simulation: SimulationOut | undefined; most?: number }) {
  const order = new Map((simulation?.metrics ?? []).map((metric, at) => [metric.name, at]));
  const metrics = Object.entries(job.metrics ?? {}).sort(([a], [b]) => (order.get(a) ?? 99) - (order.get(b) ?? 99));
  return (
    <div>
      {most < metrics.length && <h3 className={classes["heading"]}>Metrics, {most} of {metrics.length}</h3>}
      <Facts
        rows={metrics.slice(0, most).map(([name, value]) => {
          const { title, unit } = metricGuide(simulation, job, name);
          const why = job.not_finite?.includes(name) === true ? "It is not a finite number." : "There is no value.";
          return [title, typeof value === "string" || typeof value === "boolean" ? String(value) : <Quantity key={name} value={value} unit={unit} why={why} />];
        })}
      />
    </div>
  );
}

const VERDICTS: Record<string, { mark: string; word: string }> = {
  passed: { mark: "✓", word: "passed" },
  failed: { mark: "◆", word: "failed" },
  not_applicable: { mark: "–", word: "not applicable" },
};

/** What checked the result, with its value and its limit. */
export function AuditList({ audits }: { audits: readonly Audit[] }) {
  return (
    <dl className={classes["audits"]}>
      {audits.map((audit) => {
        const { mark, word } = VERDICTS[audit.verdict] ?? { mark: "·", word: audit.verdict };
        return (
          <Fragment key={audit.name}>
            <dt title={audit.detail}>{audit.name.replaceAll("_", " ")}</dt>
            <dd data-verdict={audit.verdict}>
              <span aria-hidden="true">{mark}</span> {word}
              {audit.value !== null && audit.value !== undefined && audit.limit !== null && audit.limit !== undefined && (
                <span className={classes["muted"]}> {formatNumber(audit.value, 2)} {audit.value <= audit.limit ? "≤" : ">"} {formatNumber(audit.limit, 2)}</span>
              )}
              {audit.detail !== "" && <span className={classes["detail"]}>{audit.detail}</span>}
            </dd>
          </Fragment>
        );
      })}
    </dl>
  );
}
