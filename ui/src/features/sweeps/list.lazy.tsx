import { Button, Select, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { simulationsQuery } from "@/api/simulations";
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
import { formatCount, formatPercent, MISSING, plural } from "@/lib/format";
import { defined, text } from "@/lib/search";
import { type Sweep, sweepListQuery } from "./queries";
import classes from "./sweeps.module.css";

export const Route = createLazyRoute("/shell/sweeps")({ component: SweepsPage });
const route = getRouteApi("/shell/sweeps");

const COLUMNS: Column<Sweep>[] = [
  { key: "sweep", title: "Sweep", width: "144px", render: (sweep) => <Identifier id={sweep.id} /> },
  { key: "what", title: "Simulation", width: "minmax(140px, 1fr)", render: (sweep) => sweep.simulation ?? sweep.container_image },
  { key: "points", title: "Points", width: "88px", align: "right", render: (sweep) => formatCount(sweep.points) },
  { key: "progress", title: "Done", width: "168px", render: (sweep) => <Progress share={sweep.progress} /> },
  { key: "failed", title: "Failed", width: "104px", align: "right", render: (sweep) => <Failed sweep={sweep} /> },
  { key: "labels", title: "Labels", width: "minmax(120px, 1fr)", render: (sweep) => Object.entries(sweep.metadata).map(([name, value]) => `${name}:${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ") || MISSING },
  { key: "when", title: "Made", width: "200px", align: "right", render: (sweep) => <Time at={sweep.created_at} withAge /> },
];

function SweepsPage() {
  const filters = route.useSearch();
  const navigate = useNavigate();
  const sweeps = useInfiniteQuery(sweepListQuery(filters));
  const rows = sweeps.data?.pages.flatMap((page) => page.items) ?? [];
  const total = sweeps.data?.pages[0]?.total ?? 0;
  const isFiltered = Object.keys(filters).length > 0;
  const create = () => void navigate({ to: "/jobs/new", search: {} });
  useKeys([{ keys: "n", does: "New sweep", run: create }]);
  return (
    <Page>
      <PageSentence title="Sweeps" actions={<><SavedViews page="sweeps" /><Button onClick={create}>New sweep</Button></>}>
        {sweeps.data === undefined ? "Sweeps" : sentence(rows, total, isFiltered)}
      </PageSentence>
      <Filters filters={filters} />
      {sweeps.isError && <Problem error={sweeps.error} onRetry={() => void sweeps.refetch()} />}
      <Panel isFlush className="grow">
        <DataTable
          label="Sweeps"
          rows={rows}
          total={total}
          columns={COLUMNS}
          rowKey={(sweep) => sweep.id}
          onOpen={(sweep) => void navigate({ to: "/sweeps/$sweepId", params: { sweepId: sweep.id } })}
          onEnd={() => {
            if (sweeps.hasNextPage && !sweeps.isFetchingNextPage) void sweeps.fetchNextPage();
          }}
          empty={
            sweeps.data !== undefined && (isFiltered ? <EmptyState title="No sweep fits">Take a filter away, or look for less.</EmptyState> : (
              <EmptyState title="No sweep yet" action={<Button onClick={create}>New sweep</Button>}>
                A sweep runs one simulation at many points. Press <em>vary</em> beside a parameter of a new job.
              </EmptyState>
            ))
          }
        />
      </Panel>
    </Page>
  );
}

type Filters = ReturnType<typeof route.useSearch>;
const TYPING_MS = 250;

/** What the list is narrowed by; all of it is in the address. */
function Filters({ filters }: { filters: Filters }) {
  const navigate = useNavigate();
  const simulations = useQuery(simulationsQuery);
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const names = simulations.data?.items.map((one) => one.name) ?? (filters.sim === undefined ? [] : [filters.sim]);
  useEffect(() => {
    if (typed === null) return;
    const timer = window.setTimeout(() => {
      void navigate({ to: "/sweeps", search: (old: Filters) => defined({ ...old, q: text(typed.trim()) }), replace: true });
      setTyped(null);
    }, TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [typed, navigate]);
  useKeys([{ keys: "/", does: "Filter sweeps", run: () => field.current?.focus() }]);
  return (
    <div className={classes["bar"]} role="search" aria-label="Filters">
      <TextInput
        ref={field} w={220} type="search" aria-label="Search sweeps" placeholder="Id or value of a label" maxLength={100}
        value={typed ?? filters.q ?? ""} onChange={(event) => setTyped(event.target.value)}
      />
      <Select
        w={180} placeholder="All simulations" aria-label="Simulation" clearable value={filters.sim ?? null} data={names}
        onChange={(sim) => void navigate({ to: "/sweeps", search: (old: Filters) => defined({ ...old, sim: sim ?? undefined }), replace: true })}
      />
      {Object.keys(filters).length > 0 && <Button variant="subtle" onClick={() => void navigate({ to: "/sweeps", search: {}, replace: true })}>Clear filters</Button>}
    </div>
  );
}

function sentence(rows: readonly Sweep[], total: number, isFiltered: boolean): string {
  if (total === 0) return isFiltered ? "No sweep fits these filters." : "There is no sweep yet.";
  const open = rows.filter((sweep) => !sweep.is_finished).length;
  const failed = rows.filter((sweep) => failedOf(sweep) > 0).length;
  const parts = [open > 0 ? `${formatCount(open)} going on` : "", failed > 0 ? `${formatCount(failed)} with failed points` : ""].filter((part) => part !== "");
  return `${plural(total, "sweep")}${isFiltered ? " by these filters" : ""}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}.`;
}

function failedOf(sweep: Sweep): number {
  return sweep.by_status.failed + sweep.by_status.timed_out + sweep.by_status.expired;
}

function Failed({ sweep }: { sweep: Sweep }) {
  const failed = failedOf(sweep);
  return failed === 0 ? <span className={classes["muted"]}>0</span> : <span className={classes["failed"]}>✕ {formatCount(failed)}</span>;
}

function Progress({ share }: { share: number }) {
  return (
    <span className={classes["progress"]}>
      <span className={classes["track"]} aria-hidden="true"><span style={{ width: `${100 * share}%` }} /></span>
      {formatPercent(share)}
    </span>
  );
}
