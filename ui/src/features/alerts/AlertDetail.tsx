import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, ok } from "@/api/client";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { Facts } from "@/components/Facts";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SilenceDialog } from "@/components/SilenceDialog";
import { Severity, type SeverityName } from "@/components/Severity";
import { Time } from "@/components/Time";
import { formatNumber, formatQuantity } from "@/lib/format";
import { alertQuery } from "./queries";
import { useEndSilence } from "./useEndSilence";
import classes from "./alerts.module.css";

/** One alert: why it fired, what it went through, what can be done. */
export function AlertDetail({ id, onClose }: { id: string; onClose: () => void }) {
  const client = useQueryClient();
  const { data: alert, error } = useQuery(alertQuery(id));
  const acknowledging = useMutation({
    mutationFn: () => ok(api.POST("/api/v1/alerts/{alert_id}/acknowledge", { params: { path: { alert_id: id } }, body: {} })),
    onSuccess: (changed) => {
      client.setQueryData(alertQuery(id).queryKey, (old) => (old === undefined ? old : { ...old, ...changed }));
      void client.invalidateQueries({ queryKey: ["alerts", "list"] });
      announce(`${changed.rule} is acknowledged.`);
    },
    onError: (failure) => announce(`It was not acknowledged: ${asProblem(failure).detail}`),
  });
  const [isQuieting, setQuieting] = useState(false);
  const ending = useEndSilence();
  const close = <Button size="compact-sm" onClick={onClose}>Close</Button>;
  if (alert === undefined) return <Panel title="Alert" actions={close}>{error !== null && <Problem error={error} />}</Panel>;
  const { silence } = alert;
  const isActive = alert.state === "firing" || alert.state === "holding";
  return (
    <Panel title={alert.rule} actions={close} className={classes["aside"] ?? ""}>
      <p><Severity name={(alert.severity ?? "low") as SeverityName} /> {alert.summary}</p>
      {alert.explain.map((sentence, index) => <p key={index}>{sentence}</p>)}
      <div className={classes["tools"]}>
        {isActive && alert.acknowledged_at === null && <Button variant="filled" onClick={() => acknowledging.mutate()}>Acknowledge</Button>}
        {isActive && alert.silence === null && <Button onClick={() => setQuieting(true)}>Silence…</Button>}
        {silence !== null && <Button loading={ending.isPending} onClick={() => ending.mutate(silence)}>End its silence</Button>}
        <Link to="/runs/$runId" params={{ runId: alert.run }} search={{ tick: alert.fired_tick }}>The field when it fired</Link>
        <Link to="/runs/$runId" params={{ runId: alert.run }}>The run now</Link>
        {alert.incident !== null && <Link to="/incidents/$incidentId" params={{ incidentId: alert.incident }}>Incident</Link>}
      </div>
      <Facts
        rows={[
          ["Value", `${alert.metric} ${formatNumber(alert.value)}`],
          ["Threshold", formatNumber(alert.threshold)],
          ["First breach", alert.first_tick === null ? "–" : `tick ${alert.first_tick}`],
          ["Fired", `tick ${alert.fired_tick}, ${formatQuantity(alert.fired_time_s, "s", 6)}`],
          alert.ended_tick !== null && ["Ended", `tick ${alert.ended_tick}, by ${alert.ended_by ?? ""}`],
          alert.region !== null && ["Region", alert.region],
          alert.acknowledged_at !== null && ["Acknowledged", <Time key="time" at={alert.acknowledged_at} withAge />],
          alert.runbook !== null && ["Runbook", alert.runbook],
        ]}
      />
      <ol aria-label="What it went through">
        {alert.transitions.map((step) => (
          <li key={step.n}>
            <span>tick {step.tick}</span>
            <span>{step.before} → {step.after}{step.value !== null && ` at ${formatNumber(step.value)}`}, {step.cause}</span>
          </li>
        ))}
      </ol>
      {isQuieting && <SilenceDialog alert={alert} onClose={() => setQuieting(false)} />}
    </Panel>
  );
}
