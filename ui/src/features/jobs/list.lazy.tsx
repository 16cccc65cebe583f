import { useInfiniteQuery } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { type Column, DataTable } from "@/components/DataTable";
import { EmptyState } from "@/components/EmptyState";
import { Identifier } from "@/components/Identifier";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { StateMark } from "@/components/StateMark";
import { Time } from "@/components/Time";
import type { Schemas } from "@/api/client";
import { plural } from "@/lib/format";
import { jobListQuery } from "./queries";

export const Route = createLazyRoute("/shell/jobs")({ component: JobsPage });
const route = getRouteApi("/shell/jobs");

type Row = Schemas["JobSummaryOut"];

const COLUMNS: Column<Row>[] = [
  { key: "state", title: "State", width: "112px", render: (job) => <StateMark state={job.status} /> },
  { key: "job", title: "Job", width: "144px", render: (job) => <Identifier id={job.id} /> },
  { key: "what", title: "Simulation", width: "minmax(160px, 1fr)", render: (job) => job.simulation ?? job.container_image },
  { key: "message", title: "Message", width: "minmax(200px, 2fr)", render: (job) => job.message },
  { key: "when", title: "Made", width: "200px", align: "right", render: (job) => <Time at={job.created_at} withAge /> },
];

function JobsPage() {
  const filters = route.useSearch();
  const navigate = useNavigate();
  const jobs = useInfiniteQuery(jobListQuery(filters));
  const rows = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  const total = jobs.data?.pages[0]?.total ?? 0;
  const onEnd = () => {
    if (jobs.hasNextPage && !jobs.isFetchingNextPage) void jobs.fetchNextPage();
  };
  return (
    <Page>
      <PageSentence title="Jobs">{jobs.data === undefined ? "Jobs" : `${plural(total, "job")}.`}</PageSentence>
      {jobs.isError && <Problem error={jobs.error} onRetry={() => void jobs.refetch()} />}
      <Panel isFlush className="grow">
        <DataTable
          label="Jobs"
          rows={rows}
          total={total}
          columns={COLUMNS}
          rowKey={(job) => job.id}
          onOpen={(job) => void navigate({ to: "/jobs/$jobId", params: { jobId: job.id } })}
          onEnd={onEnd}
          empty={
            jobs.data !== undefined && (
              <EmptyState title="No job yet">
                A job is one run of a simulation. Submit one with <code>grid jobs submit</code>, or from Python.
              </EmptyState>
            )
          }
        />
      </Panel>
    </Page>
  );
}
