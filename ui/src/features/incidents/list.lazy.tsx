import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { Severity, type SeverityName } from "@/components/Severity";
import { severityRow } from "@/components/severityRow";
import { Time } from "@/components/Time";
import { plural } from "@/lib/format";
import { incidentListQuery, type Summary } from "./queries";

export const Route = createLazyRoute("/shell/incidents")({ component: IncidentsPage });
const route = getRouteApi("/shell/incidents");

const COLUMNS: Column<Summary>[] = [
  { key: "severity", title: "Severity", width: "120px", render: (item) => <Severity name={item.severity as SeverityName} isRinging={item.state === "open"} /> },
  { key: "state", title: "State", width: "120px", render: (item) => item.state },
  { key: "title", title: "What", width: "minmax(200px, 2fr)", render: (item) => item.title },
  { key: "run", title: "Run", width: "136px", render: (item) => <Identifier id={item.run} /> },
  { key: "who", title: "Assigned to", width: "minmax(100px, 1fr)", render: (item) => item.assigned_to ?? "nobody" },
  { key: "when", title: "Opened", width: "200px", align: "right", render: (item) => <Time at={item.opened_at} withAge /> },
];

function IncidentsPage() {
  const filters = route.useSearch();
  const navigate = useNavigate();
  const incidents = useQuery(incidentListQuery(filters));
  const rows = incidents.data?.items ?? [];
  const open = rows.filter((item) => item.state === "open").length;
  const taken = rows.filter((item) => item.state === "acknowledged").length;
  const words = open + taken === 0 ? "No incident is open." : `${plural(open, "incident is", "incidents are")} open, ${taken} in hand.`;
  return (
    <Page>
      <PageSentence title="Incidents" actions={
        <SegmentedControl
          size="xs" aria-label="Which incidents" value={filters.state === undefined ? "all" : "open"}
          data={[{ value: "all", label: "All" }, { value: "open", label: "Not resolved" }]}
          onChange={(value) => void navigate({ to: "/incidents", search: value === "all" ? {} : { state: ["open", "acknowledged"] } })}
        />
      }>
        {incidents.data === undefined ? "Incidents" : words}
      </PageSentence>
      {incidents.isError && <Problem error={incidents.error} onRetry={() => void incidents.refetch()} />}
      <Panel isFlush className="grow">
        <DataTable
          label="Incidents" rows={rows} total={incidents.data?.total ?? rows.length} columns={COLUMNS} rowKey={(item) => item.id}
          rowProps={(item) => (item.state === "open" ? severityRow(item.severity as SeverityName) : nothing())}
          onOpen={(item) => void navigate({ to: "/incidents/$incidentId", params: { incidentId: item.id } })}
          empty={incidents.data !== undefined && <EmptyState title="No incident">A critical alert opens one. Its timeline takes up what happens and what people do, and nobody can edit it.</EmptyState>}
        />
      </Panel>
    </Page>
  );
}

function nothing(): Record<string, string> {
  return {};
}
