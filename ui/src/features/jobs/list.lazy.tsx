import { Button } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState } from "react";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { useKeys } from "@/components/keyboard";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SavedViews } from "@/components/SavedViews";
import { SaveMenu } from "@/components/SaveMenu";
import { isFinal } from "@/components/states";
import { StateMark } from "@/components/StateMark";
import { Time } from "@/components/Time";
import { formatCount, plural } from "@/lib/format";
import { CancelDialog } from "./Actions";
import { JobFilterBar } from "./FilterBar";
import classes from "./jobs.module.css";
import { JobPreview } from "./Preview";
import { type JobFilters, jobHeadQuery, jobListQuery, type JobRow } from "./queries";
import { MOST_SAVED, saveJobs } from "./table";
import { labelsOf, listSentence, mergeHead } from "./words";

export const Route = createLazyRoute("/shell/jobs")({ component: JobsPage });
const route = getRouteApi("/shell/jobs");

const COLUMNS: Column<JobRow>[] = [
  { key: "state", title: "State", width: "104px", render: (job) => <StateMark state={job.status} /> },
  {
    key: "job", title: "Job", width: "128px",
    render: (job) => <Link to="/jobs/$jobId" params={{ jobId: job.id }}><Identifier id={job.id} /></Link>,
  },
  {
    key: "what", title: "Simulation", width: "minmax(120px, 1fr)",
    render: (job) => <>{job.simulation ?? job.container_image}{job.sweep_index !== null && <span className={classes["muted"]}> point {job.sweep_index}</span>}</>,
  },
  {
    key: "labels", title: "Labels", width: "minmax(72px, 1fr)",
    render: (job) => <span className={classes["muted"]} title={labelsOf(job).join("\n")}>{labelsOf(job).join("  ")}</span>,
  },
  {
    key: "message", title: "Message", width: "minmax(96px, 2fr)",
    render: (job) => <span title={job.message}>{job.verdict === "failed" && <strong>audit failed: </strong>}{job.message}</span>,
  },
  { key: "when", title: "Made", width: "200px", align: "right", render: (job) => <Time at={job.created_at} withAge /> },
];

function JobsPage() {
  const filters = route.useSearch();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const list = useInfiniteQuery(jobListQuery(filters));
  const head = useQuery(jobHeadQuery(filters));
  const [isAtTop, setAtTop] = useState(true);
  const [current, setCurrent] = useState<JobRow>();
  const loaded = useMemo(() => list.data?.pages.flatMap((page) => page.items) ?? [], [list.data]);
  const merged = useMemo(() => mergeHead(loaded, head.data?.items), [loaded, head.data]);
  // Nothing moves under a reader: what has come stands above the list only where its beginning is in sight.
  const rows = useMemo(() => (isAtTop ? [...merged.fresh, ...merged.rows] : merged.rows), [isAtTop, merged]);
  const page = head.data ?? list.data?.pages[0];
  const isFiltered = Object.keys(filters).length > 0;
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [isCancelling, setCancelling] = useState(false);
  const listed = useRef<HTMLDivElement>(null);
  const hasPreview = useMediaQuery("(min-width: 1101px)", true, { getInitialValueInEffect: false }); // as the style sheet has it
  const shown = rows.find((row) => row.id === current?.id) ?? current;
  const isOpen = shown !== undefined && !isFinal(shown.status);
  const onTick = useCallback((job: JobRow) => setTicked((old) => (old.has(job.id) ? new Set([...old].filter((id) => id !== job.id)) : new Set([...old, job.id]))), []);
  const compare = () => {
    const [a, b] = [...ticked];
    if (ticked.size === 2) void navigate({ to: "/compare", search: { a: a as string, b: b as string } });
  };
  useKeys([
    { keys: "n", does: "New job", run: () => void navigate({ to: "/jobs/new" }) },
    { keys: "c", does: "Compare the two ticked jobs", run: compare },
    { keys: "C", does: "Cancel the job of the row", run: () => setCancelling(isOpen) },
  ]);
  const setFilters = useCallback(
    (change: Partial<JobFilters>) => void navigate({ to: "/jobs", search: (old) => ({ ...old, ...change }), replace: true }),
    [navigate],
  );
  const onEnd = () => {
    if (list.hasNextPage && !list.isFetching) void list.fetchNextPage();
  };
  const showNew = () => {
    document.querySelector('[role="grid"]')?.scrollTo({ top: 0 });
    if (merged.fresh.length >= 50) void queries.resetQueries({ queryKey: jobListQuery(filters).queryKey });
  };
  const all = page?.total ?? rows.length;
  return (
    <Page>
      <PageSentence
        title="Jobs"
        actions={
          <>
            {ticked.size > 0 && <Button disabled={ticked.size !== 2} onClick={compare}>Compare 2{ticked.size === 2 ? "" : `, ${ticked.size} ticked`}</Button>}
            <SaveMenu
              isLarge picture={listed} title="Jobs" fileName="jobs"
              tables={[{ label: all > MOST_SAVED ? `The newest ${formatCount(MOST_SAVED)} jobs` : plural(all, "job"), make: () => saveJobs(filters) }]}
            />
            <SavedViews page="jobs" />
            <Button component={Link} to="/jobs/new">New job</Button>
          </>
        }
      >
        {page === undefined ? "Jobs" : listSentence(page, rows, isFiltered)}
      </PageSentence>
      <JobFilterBar filters={filters} onChange={setFilters} onClear={() => void navigate({ to: "/jobs", search: {}, replace: true })} />
      {list.isError && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      <div className={`grow ${classes["split"]}`}>
        <Panel isFlush className={classes["list"] ?? ""}>
          {!isAtTop && merged.fresh.length > 0 && (
            <Button size="compact-sm" className={classes["fresh"] ?? ""} onClick={showNew}>
              {plural(merged.fresh.length, "new job")}, show
            </Button>
          )}
          <div ref={listed} className={classes["table"]} onScrollCapture={(event) => setAtTop((event.target as HTMLElement).scrollTop < 16)}>
            <DataTable
              label="Jobs"
              rows={rows}
              total={page?.total ?? rows.length}
              columns={COLUMNS}
              rowKey={(job) => job.id}
              opensBy={hasPreview ? "double click" : "click"}
              onOpen={(job) => void navigate({ to: "/jobs/$jobId", params: { jobId: job.id } })}
              onCurrent={setCurrent}
              ticked={ticked}
              onTick={onTick}
              onEnd={onEnd}
              empty={list.data !== undefined && <NoJob isFiltered={isFiltered} />}
            />
          </div>
        </Panel>
        <Panel className={classes["preview"] ?? ""}>
          {shown === undefined ? (
            <EmptyState title="No row is chosen">
              A click, or <kbd>j</kbd> and <kbd>k</kbd>, shows a job here; <kbd>Enter</kbd> opens it. <kbd>x</kbd> ticks it, and <kbd>c</kbd> compares two.
            </EmptyState>
          ) : (
            <JobPreview jobId={shown.id} row={shown} />
          )}
        </Panel>
      </div>
      {shown !== undefined && <CancelDialog jobId={shown.id} isOpen={isCancelling && isOpen} onClose={() => setCancelling(false)} />}
    </Page>
  );
}

function NoJob({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <EmptyState title="No job fits">Take a filter away, or widen the time.</EmptyState>;
  return (
    <EmptyState title="No job yet" action={<Button component={Link} to="/jobs/new">New job</Button>}>
      A job is one run of a simulation. Submit one here, with <code>grid jobs submit --sim heat-rod</code>, or from Python.
    </EmptyState>
  );
}
