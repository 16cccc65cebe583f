import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, Suspense, useState } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { EmptyState } from "@/components/EmptyState";
import { useKeys } from "@/components/keyboard";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Severity, type SeverityName } from "@/components/Severity";
import { severityRow } from "@/components/severityRow";
import { Time } from "@/components/Time";
import { formatNumber, plural } from "@/lib/format";
import { acknowledge, type Alert } from "./queries";
import { isActive, isHeard, sortAlerts } from "./severities";
import classes from "./run.module.css";

const SilenceDialog = lazy(() => import("@/components/SilenceDialog").then((file) => ({ default: file.SilenceDialog })));
const MOST_ENDED = 5;

interface Props {
  readonly alerts: readonly Alert[];
  readonly error: unknown;
  readonly onTick: (tick: number) => void;
}

/** The alerts of a run: the worst first, what covers the others counted, each with what can be done about it. */
export function AlertsPanel({ alerts, error, onTick }: Props) {
  const [quieted, setQuieted] = useState<Alert | null>(null);
  const acknowledging = useAcknowledge();
  const active = sortAlerts(alerts.filter((alert) => isActive(alert) && isHeard(alert)));
  const silenced = alerts.filter((alert) => isActive(alert) && alert.silence !== null);
  const inhibited = alerts.filter((alert) => isActive(alert) && alert.silence === null && alert.inhibited_by !== null);
  const ended = sortAlerts(alerts.filter((alert) => !isActive(alert))).slice(0, MOST_ENDED);
  const next = active.find((alert) => alert.acknowledged_at === null);
  useKeys(next === undefined ? [] : [{ keys: "a", does: `Acknowledge ${next.rule}`, run: () => acknowledging.mutate(next) }]);
  const covered = silenced.length + inhibited.length;
  return (
    <Panel isFlush title={active.length === 0 ? "Alerts" : `Alerts: ${active.length} of ${active.length + covered} shown`}>
      {error !== null && error !== undefined && <Problem error={error} />}
      <ul className={classes["alerts"]}>
        {active.map((alert) => (
          <li key={alert.id} {...joined(alert)}>
            <div className={classes["alertHead"]}>
              <Severity name={(alert.severity ?? "low") as SeverityName} isRinging={alert.acknowledged_at === null} />
              <b>{alert.rule}</b>
              <Time at={alert.fired_at} />
            </div>
            <p>
              {alert.metric}{alert.region !== null && ` in ${alert.region}`} {formatNumber(alert.value)}
              {alert.threshold !== null && `, limit ${formatNumber(alert.threshold)}`}
              {alert.cover !== null && ` (${alert.cover})`}. {alert.summary}
            </p>
            <div className={classes["tools"]}>
              {alert.acknowledged_at === null ? (
                <Button size="compact-sm" onClick={() => acknowledging.mutate(alert)}>Acknowledge</Button>
              ) : (
                <span>acknowledged <Time at={alert.acknowledged_at} /></span>
              )}
              <Button size="compact-sm" onClick={() => setQuieted(alert)}>Silence…</Button>
              <Button size="compact-sm" variant="subtle" onClick={() => onTick(alert.fired_tick)}>tick {alert.fired_tick}</Button>
              {alert.incident !== null && <Link to="/incidents/$incidentId" params={{ incidentId: alert.incident }}>Incident and runbook</Link>}
            </div>
          </li>
        ))}
        {ended.map((alert) => (
          <li key={alert.id} className={classes["alert"]} data-quiet>
            <div className={classes["alertHead"]}>
              <span>✓ {alert.rule} {alert.state}</span>
              <Button size="compact-sm" variant="subtle" color="gray" onClick={() => onTick(alert.fired_tick)}>
                ticks {alert.fired_tick} to {alert.ended_tick ?? "–"}
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {active.length + ended.length === 0 && <EmptyState title="No alert">The rules of this run watch every tick. What fires stands here.</EmptyState>}
      {covered > 0 && (
        <p className={classes["hidden"]}>
          {plural(silenced.length, "alert")} silenced, {inhibited.length} inhibited
          {silenced.length > 0 && <> · <Link to="/alerts" search={{ tab: "silences" }}>End a silence</Link></>}
        </p>
      )}
      {quieted !== null && <Suspense fallback={null}><SilenceDialog alert={quieted} onClose={() => setQuieted(null)} /></Suspense>}
    </Panel>
  );
}

function joined(alert: Alert): Record<string, string> {
  const row = severityRow((alert.severity ?? "low") as SeverityName);
  return { ...row, className: `${row.className} ${classes["alert"] ?? ""}` };
}

function useAcknowledge() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (alert: Alert) => acknowledge(alert.id),
    onSuccess: (changed) => {
      client.setQueryData<Alert[]>(["alerts", "run", changed.run], (old) => old?.map((alert) => (alert.id === changed.id ? changed : alert)));
      announce(`${changed.rule} is acknowledged.`);
    },
    onError: (error) => announce(`It was not acknowledged: ${asProblem(error).detail}`),
  });
}
