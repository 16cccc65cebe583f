import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Suspense, useContext, useMemo } from "react";
import { simulationQuery } from "@/api/simulations";
import { EmptyState } from "@/components/EmptyState";
import { Facts } from "@/components/Facts";
import { Panel } from "@/components/Panel";
import { PartsContext } from "@/components/parts";
import { Problem } from "@/components/Problem";
import { isFinal } from "@/components/states";
import { Time } from "@/components/Time";
import { TrendView } from "@/components/TrendView";
import type { Schemas } from "@/api/client";
import { formatDuration, formatQuantity } from "@/lib/format";
import { defined } from "@/lib/search";
import classes from "./jobs.module.css";
import { AuditList, MetricList } from "./Metrics";
import { type Job, seriesQuery } from "./queries";

const route = getRouteApi("/shell/jobs/$jobId");
type SeriesColumn = Schemas["SeriesColumnOut"];
const DASHES: readonly (readonly number[] | undefined)[] = [undefined, [8, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

/** Field, trend, metrics and audits of a job that ended well; why there are none of one that did not. */
export function ResultTab({ job }: { job: Job }) {
  const simulation = useQuery(simulationQuery(job.simulation)).data;
  return (
    <div className={classes["result"]}>
      <div className={classes["stack"]}>
        <JobField job={job} height={280} />
        {job.status === "success" && <Trends jobId={job.id} />}
      </div>
      <div className={classes["stack"]}>
        {job.metrics !== null && job.metrics !== undefined && <Panel title="Metrics"><MetricList job={job} simulation={simulation} /></Panel>}
        {(job.audits ?? []).length > 0 && <Panel title="Audits"><AuditList audits={job.audits ?? []} /></Panel>}
        <Panel title="Run">
          <Facts
            rows={[
              ["Started", <Time key="started" at={job.started_at} withAge why="It has not started." />],
              ["Finished", <Time key="finished" at={job.finished_at} withAge why="It has not finished." />],
              ["Took", spanText(job)],
            ]}
          />
        </Panel>
      </div>
    </div>
  );
}

function spanText(job: Job): string {
  if (job.started_at === null || job.finished_at === null) return formatDuration(null);
  return formatDuration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000);
}

/** The fields of a job, where it has some by now. */
export function JobField({ job, height }: { job: Job; height: number }) {
  const search = route.useSearch();
  const navigate = useNavigate();
  const parts = useContext(PartsContext);
  if (job.status !== "success") {
    return (
      <Panel>
        <EmptyState title={isFinal(job.status) ? "There is no result" : "The result is not there yet"}>
          {isFinal(job.status) ? "A result is stored when a run ends well. The log may say why this one did not." : "Field, metrics and audits appear here when the run has ended."}
        </EmptyState>
      </Panel>
    );
  }
  if (parts.FieldView === undefined) return null;
  return (
    <Panel title="Field">
      <Suspense fallback={<div style={{ height }} />}>
        <parts.FieldView
          jobId={job.id} isFinal height={height} field={search.field} time={search.time} scale={search.scale} iso={search.iso}
          onChoose={(choice) => void navigate({ to: "/jobs/$jobId", params: { jobId: job.id }, search: defined({ ...search, ...choice }), replace: true })}
        />
      </Suspense>
    </Panel>
  );
}

/** Quantities of the run over time: those of one unit share a picture. */
function Trends({ jobId }: { jobId: string }) {
  const { data, error } = useQuery(seriesQuery(jobId));
  const groups = useMemo(() => groupColumns(data?.columns ?? []), [data]);
  if (error !== null) return <Problem error={error} />;
  const time = data?.columns[0];
  if (time === undefined || groups.length === 0) return null;
  return (
    <Panel title="Over time">
      {groups.map((columns) => <TrendGroup key={columns[0]?.name} time={time} columns={columns} />)}
    </Panel>
  );
}

function TrendGroup({ time, columns }: { time: SeriesColumn; columns: readonly SeriesColumn[] }) {
  const data = useMemo(() => [time, ...columns].map((column) => Float64Array.from(column.values, (value) => value ?? Number.NaN)), [time, columns]);
  const options = useMemo(
    () => ({
      series: columns.map((column, at) => ({ label: column.title, unit: column.unit, ...(DASHES[at % 5] === undefined ? {} : { dash: DASHES[at % 5] as readonly number[] }) })),
      height: 190,
    }),
    [columns],
  );
  const last = columns.map((column) => `${column.title} ends at ${formatQuantity(column.values.at(-1), column.unit)}`).join(", ");
  return <TrendView options={options} data={data} sentence={`Over time: ${last}.`} savesAs={columns.length === 1 ? (columns[0]?.title ?? "Trend") : `${columns[0]?.title} and others over time`} />;
}

/** Columns by their unit, in their order, the first (time) left out. */
export function groupColumns(columns: readonly SeriesColumn[]): SeriesColumn[][] {
  const groups = new Map<string, SeriesColumn[]>();
  for (const column of columns.slice(1)) groups.set(column.unit, [...(groups.get(column.unit) ?? []), column]);
  return [...groups.values()];
}
