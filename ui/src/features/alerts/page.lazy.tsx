import { Button, SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import type { Schemas } from "@/api/client";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SavedViews } from "@/components/SavedViews";
import { Severity, type SeverityName } from "@/components/Severity";
import { severityRow } from "@/components/severityRow";
import { Time } from "@/components/Time";
import { formatNumber, plural } from "@/lib/format";
import { type AlertSearch, TABS } from ".";
import { AlertDetail } from "./AlertDetail";
import { inOrder, isCovered, summarise } from "./order";
import { type Alert, alertListQuery, silencesQuery } from "./queries";
import { useEndSilence } from "./useEndSilence";
import classes from "./alerts.module.css";

export const Route = createLazyRoute("/shell/alerts")({ component: AlertsPage });
const route = getRouteApi("/shell/alerts");

const WORDS: Readonly<Record<(typeof TABS)[number], string>> = { active: "Active", ended: "Ended", silences: "Silences" };

const COLUMNS: Column<Alert>[] = [
  { key: "severity", title: "Severity", width: "112px", render: (alert) => <Severity name={(alert.severity ?? "low") as SeverityName} isRinging={isRinging(alert)} /> },
  { key: "rule", title: "Rule", width: "minmax(120px, 1fr)", render: (alert) => alert.rule },
  { key: "value", title: "Value", width: "minmax(150px, 1.4fr)", render: (alert) => <Reason alert={alert} /> },
  { key: "run", title: "Run", width: "124px", render: (alert) => <Identifier id={alert.run} /> },
  { key: "state", title: "State", width: "minmax(96px, 1fr)", render: (alert) => stateOf(alert) },
  { key: "since", title: "Since", width: "172px", align: "right", render: (alert) => <Time at={alert.fired_at} withAge /> },
];

function AlertsPage() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const tab = search.tab ?? "active";
  const alerts = useQuery({ ...alertListQuery(search), enabled: tab !== "silences" });
  const rows = inOrder(alerts.data?.items ?? []);
  const go = (change: AlertSearch) => void navigate({ to: "/alerts", search: change });
  const open = search.id;
  return (
    <Page>
      <PageSentence title="Alerts" actions={<SavedViews page="alerts" />}>
        {tab === "silences" ? "Silences hide alerts until they end." : alerts.data === undefined ? "Alerts" : tab === "active" ? summarise(rows) : `${plural(alerts.data.total, "alert")} ended.`}
      </PageSentence>
      <div className={classes["tools"]}>
        <SegmentedControl
          size="xs" aria-label="Which alerts" value={tab} data={TABS.map((value) => ({ value, label: WORDS[value] }))}
          onChange={(value) => go(value === "active" ? {} : { tab: value as (typeof TABS)[number] })}
        />
      </div>
      {alerts.isError && <Problem error={alerts.error} onRetry={() => void alerts.refetch()} />}
      <div className={classes["columns"]} data-alone={open === undefined || undefined}>
        <Panel isFlush>
          {tab === "silences" ? (
            <Silences />
          ) : (
            <DataTable
              label="Alerts" rows={rows} total={alerts.data?.total ?? rows.length} columns={COLUMNS} rowKey={(alert) => alert.id}
              rowProps={(alert) => (tab === "active" && !isCovered(alert) ? severityRow((alert.severity ?? "low") as SeverityName) : noRow())}
              onOpen={(alert) => go({ ...search, id: alert.id })}
              empty={alerts.data !== undefined && <EmptyState title={tab === "active" ? "No alert goes on" : "No alert has ended"}>Rules watch every tick of live runs. What fires stands here, the worst first.</EmptyState>}
            />
          )}
        </Panel>
        {open !== undefined && <AlertDetail key={open} id={open} onClose={() => go(withoutId(search))} />}
      </div>
    </Page>
  );
}

function withoutId({ id: _, ...rest }: AlertSearch): AlertSearch {
  return rest;
}

function noRow(): Record<string, string> {
  return {};
}

function isRinging(alert: Alert): boolean {
  return alert.state === "firing" && alert.acknowledged_at === null && !isCovered(alert);
}

function Reason({ alert }: { alert: Alert }) {
  return (
    <>
      {alert.metric} {formatNumber(alert.value)}
      {alert.threshold !== null && ` (limit ${formatNumber(alert.threshold)})`}
    </>
  );
}

function stateOf(alert: Alert): string {
  if (alert.silence !== null) return "silenced";
  if (alert.inhibited_by !== null) return `inhibited by ${alert.inhibited_by}`;
  if (alert.cover !== null) return `${alert.state}, ${alert.cover}`;
  return alert.acknowledged_at === null ? alert.state : `${alert.state}, acknowledged`;
}

type Silence = Schemas["SilenceOut"];

function Silences() {
  const silences = useQuery(silencesQuery);
  const ending = useEndSilence();
  const columns: Column<Silence>[] = [
    { key: "what", title: "Hides", width: "minmax(200px, 2fr)", render: (silence) => silence.matchers.map((item) => `${item["name"]}${item["op"]}${shown(item["value"])}`).join(", ") },
    { key: "why", title: "Reason", width: "minmax(160px, 2fr)", render: (silence) => silence.reason },
    { key: "hid", title: "Hid", width: "64px", align: "right", render: (silence) => silence.hidden.length },
    { key: "until", title: "Ends", width: "200px", align: "right", render: (silence) => (silence.ended_at === null ? <Time at={silence.until} withAge /> : `${silence.end_reason ?? "ended"}`) },
    {
      key: "end", title: "", width: "96px", align: "right",
      render: (silence) => silence.ended_at === null && <Button size="compact-xs" onClick={() => ending.mutate(silence.id)}>End now</Button>,
    },
  ];
  return (
    <DataTable
      label="Silences" rows={silences.data?.items ?? []} columns={columns} rowKey={(silence) => silence.id}
      empty={silences.data !== undefined && <EmptyState title="No silence">A silence is made from an alert, with a reason and an end.</EmptyState>}
    />
  );
}

const IDENTIFIER = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** A value of a matcher; of an identifier its beginning. */
function shown(value: string | undefined): string {
  return value === undefined ? "" : IDENTIFIER.test(value) ? `${value.slice(0, 8)}…` : value;
}
