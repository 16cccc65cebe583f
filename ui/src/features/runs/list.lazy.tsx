import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { useKeys } from "@/components/keyboard";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SavedViews } from "@/components/SavedViews";
import { Time } from "@/components/Time";
import { formatNumber, formatQuantity, plural } from "@/lib/format";
import { type Run, runListQuery } from "./queries";
import { isOver, markOf, RUN_STATES } from "./states";

export const Route = createLazyRoute("/shell/runs")({ component: RunsPage });
const route = getRouteApi("/shell/runs");

const LIVING = RUN_STATES.filter((state) => !isOver(state));

const COLUMNS: Column<Run>[] = [
  { key: "state", title: "State", width: "120px", render: (run) => <span title={run.message}><span aria-hidden="true">{markOf(run.status)}</span> {run.status}</span> },
  { key: "name", title: "Name", width: "minmax(120px, 1fr)", render: (run) => (run.name === "" ? "–" : run.name) },
  { key: "run", title: "Run", width: "136px", render: (run) => <Identifier id={run.id} /> },
  { key: "scenario", title: "Scenario", width: "minmax(120px, 1fr)", render: (run) => run.scenario ?? "scene of one's own" },
  { key: "cells", title: "Cells", width: "112px", render: (run) => run.cells?.filter((count) => count > 1).join(" × ") ?? "–" },
  { key: "time", title: "Simulated", width: "112px", align: "right", render: (run) => formatQuantity(run.time_s, "s", 5) },
  { key: "speed", title: "Speed", width: "72px", align: "right", render: (run) => (run.speed === null ? "max" : `${formatNumber(run.speed, 2)}×`) },
  { key: "when", title: "Made", width: "200px", align: "right", render: (run) => <Time at={run.created_at} withAge /> },
];

function RunsPage() {
  const filters = route.useSearch();
  const navigate = useNavigate();
  const runs = useQuery(runListQuery(filters));
  const rows = runs.data?.items ?? [];
  const going = rows.filter((run) => !isOver(run.status)).length;
  const isLivingOnly = filters.state !== undefined && filters.state.length > 0;
  useKeys([{ keys: "n", does: "Start a run", run: () => void navigate({ to: "/scenarios" }) }]);
  const start = <Button component={Link} to="/scenarios" variant="filled">Start a run</Button>;
  return (
    <Page>
      <PageSentence
        title="Runs"
        actions={
          <>
            <Button
              aria-pressed={isLivingOnly}
              onClick={() => void navigate({ to: "/runs", search: isLivingOnly ? {} : { state: [...LIVING] } })}
            >
              {isLivingOnly ? "All runs" : "Only those that live"}
            </Button>
            <SavedViews page="runs" />
            {start}
          </>
        }
      >
        {runs.data === undefined ? "Live runs" : going === 0 ? "No run lives now." : `${plural(going, "run")} ${going === 1 ? "lives" : "live"} now.`}
      </PageSentence>
      {runs.isError && <Problem error={runs.error} onRetry={() => void runs.refetch()} />}
      <Panel isFlush className="grow">
        <DataTable
          label="Runs" rows={rows} total={runs.data?.total ?? rows.length} columns={COLUMNS} rowKey={(run) => run.id}
          onOpen={(run) => void navigate({ to: "/runs/$runId", params: { runId: run.id } })}
          empty={
            runs.data !== undefined && (
              <EmptyState title={isLivingOnly ? "No run lives now" : "No run yet"} action={start}>
                A live run is a body that is computed as time passes, and that you steer meanwhile.
              </EmptyState>
            )
          }
        />
      </Panel>
    </Page>
  );
}
