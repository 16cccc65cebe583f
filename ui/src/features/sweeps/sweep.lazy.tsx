import { Button, Modal, Tabs } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute, getRouteApi, useNavigate } from "@tanstack/react-router";
import { useDeferredValue, useMemo, useRef, useState } from "react";
import { isNotFound } from "@/api/problems";
import { simulationQuery } from "@/api/simulations";
import { announce } from "@/components/announce";
import { useKeys } from "@/components/keyboard";
import { NothingHere } from "@/components/NothingHere";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { SaveMenu } from "@/components/SaveMenu";
import { formatCount, plural, shortId } from "@/lib/format";
import { defined } from "@/lib/search";
import { MOST_IN_ADDRESS, TABS } from ".";
import { ParallelPlot } from "./ParallelPlot";
import { PointFields } from "./PointFields";
import { chooseRows, countFailures, type Points, type Ranges, sortRows, whereFailed } from "./points";
import { PointTable } from "./PointTable";
import { cancelSweep, columnsQuery, rerun, type Sweep, sweepQuery } from "./queries";
import { ResponsePlot } from "./ResponsePlot";
import classes from "./sweeps.module.css";
import { chosenPoints, wholeSweep } from "./tables";
import { useSweepNews } from "./useSweepNews";

export const Route = createLazyRoute("/shell/sweeps/$sweepId")({ component: SweepPage });
const route = getRouteApi("/shell/sweeps/$sweepId");
const TAB_NAMES = { points: "Points", fields: "Fields", table: "Table" } as const;
const MOST_AXES = 8;

function SweepPage() {
  const { sweepId } = route.useParams();
  const sweep = useQuery(sweepQuery(sweepId));
  const columns = useQuery({ ...columnsQuery(sweepId, sweep.data?.is_finished === true), enabled: sweep.data !== undefined });
  useSweepNews(sweepId, sweep.data?.is_finished === false);
  if (isNotFound(sweep.error)) return <NothingHere />;
  const error = sweep.error ?? columns.error;
  return (
    <Page>
      <PageSentence title={`Sweep ${shortId(sweepId)}`} actions={sweep.data !== undefined && <Actions sweep={sweep.data} />}>
        {sweep.data === undefined ? "Sweep" : sentence(sweep.data, columns.data)}
      </PageSentence>
      {error !== null && <Problem error={error} onRetry={() => void Promise.all([sweep.refetch(), columns.refetch()])} />}
      {sweep.data !== undefined && columns.data !== undefined && <Views sweep={sweep.data} points={columns.data} />}
    </Page>
  );
}

/** How far, how many failed, and where. */
function sentence(sweep: Sweep, points: Points | undefined): string {
  const counts = sweep.by_status;
  const failed = counts.failed + counts.timed_out + counts.expired;
  const done = `${formatCount(counts.success)} of ${plural(sweep.points, "point")} ${sweep.is_finished ? "succeeded" : "done"}`;
  const cancelled = counts.cancelled > 0 ? `, ${formatCount(counts.cancelled)} cancelled` : "";
  const where = points === undefined ? undefined : whereFailed(points);
  return `${done}${failed > 0 ? `, ${formatCount(failed)} failed${where === undefined ? "" : `: ${where}`}` : ""}${cancelled}.`;
}

function Actions({ sweep }: { sweep: Sweep }) {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [key] = useState(() => crypto.randomUUID());
  const [isAsking, setAsking] = useState(false);
  const counts = sweep.by_status;
  const unsuccessful = counts.failed + counts.timed_out + counts.expired + counts.cancelled;
  const tell = (promise: Promise<unknown>) => void promise.catch((error: unknown) => announce(error instanceof Error ? error.message : String(error)));
  const again = async () => {
    const next = await rerun(sweep.id, key);
    announce(`${plural(next.points, "point")} run again, as a new sweep.`);
    await navigate({ to: "/sweeps/$sweepId", params: { sweepId: next.id } });
  };
  const cancel = async () => {
    setAsking(false);
    queries.setQueryData(["sweeps", sweep.id], await cancelSweep(sweep.id));
    announce("The sweep is cancelled.");
  };
  return (
    <>
      {sweep.is_finished && unsuccessful > 0 && <Button onClick={() => tell(again())}>Run {formatCount(unsuccessful)} again</Button>}
      {!sweep.is_finished && <Button onClick={() => setAsking(true)}>Cancel</Button>}
      <Modal opened={isAsking} onClose={() => setAsking(false)} title="Cancel the sweep?">
        <p>Points that have not ended are given up; results that are there stay.</p>
        <Button variant="filled" onClick={() => tell(cancel())}>Cancel the sweep</Button>
      </Modal>
    </>
  );
}

/** The views of a sweep; all share what is chosen. */
function Views({ sweep, points }: { sweep: Sweep; points: Points }) {
  const search = route.useSearch();
  const { tab = "points", why = [], sort } = search;
  const navigate = useNavigate();
  const change = route.useNavigate();
  const [ranges, setRanges] = useState<Ranges>({});
  const [ticked, setTicked] = useState<ReadonlySet<number>>(() => new Set((search.points ?? []).map(Number).filter((row) => row >= 0 && row < points.count)));
  const guide = useQuery(simulationQuery(sweep.simulation)).data;
  const set = (changes: { [Name in keyof typeof search]?: (typeof search)[Name] | undefined }) =>
    void change({ search: (old) => defined({ ...old, ...changes }), replace: true });

  const chosen = useMemo(() => chooseRows(points, ranges, why), [points, ranges, why]);
  const late = useDeferredValue(chosen); // table and chart follow the brush; its own picture does not wait for them
  const sorted = useMemo(() => sortRows(points, late, sort), [points, late, sort]);
  const axes = useMemo(() => chooseAxes(points, guide?.metrics?.map((metric) => `metrics.${metric.name}`) ?? []), [points, guide]);
  const isBrushed = late.length < points.count;
  const parameter = points.numbers.find((column) => column.name === search.x) ?? points.numbers.find((column) => !column.isMetric) ?? points.numbers[0];
  const metric = points.numbers.find((column) => column.name === search.y) ?? axes.find((column) => column.isMetric) ?? points.numbers.at(-1);
  const open = (row: number) => {
    const jobId = points.jobIds[row];
    if (jobId !== undefined) void navigate({ to: "/jobs/$jobId", params: { jobId } });
  };
  const tick = (row: number) => {
    const next = new Set(ticked);
    if (!next.delete(row)) next.add(row);
    setTicked(next);
    set({ points: next.size <= MOST_IN_ADDRESS ? [...next].map(String) : undefined });
  };
  const compare = () => {
    const [a, b] = [...ticked].map((row) => points.jobIds[row]);
    if (a !== undefined && b !== undefined) void navigate({ to: "/compare", search: { a, b } });
  };
  useKeys([{ keys: "c", does: "Compare the two ticked points", run: compare }]);
  const failures = useMemo(() => countFailures(points), [points]);
  const listed = useRef<HTMLDivElement>(null);
  const fileName = `sweep-${sweep.id.slice(0, 8)}`;
  const whole = useMemo(() => wholeSweep(sweep.id), [sweep.id]); // another one would let the chart be drawn anew
  const tables = [chosenPoints(points, sorted, [...points.words, ...points.numbers]), whole];
  const toggle = (one: string) => set({ why: why.includes(one) ? why.filter((other) => other !== one) : [...why, one] });
  const table = (
    <div ref={listed} className={classes["fill"]}>
      <PointTable points={points} rows={sorted} sort={sort} ticked={ticked} onTick={tick} onOpen={open} onSort={(next) => set({ sort: next })} />
    </div>
  );
  return (
    <>
      <div className={classes["bar"]}>
        <Tabs value={tab} onChange={(next) => set({ tab: next === "points" ? undefined : (next as "fields") })}>
          <Tabs.List>{TABS.map((name) => <Tabs.Tab key={name} value={name}>{TAB_NAMES[name]}</Tabs.Tab>)}</Tabs.List>
        </Tabs>
        {failures.length > 0 && (
          <span className={classes["chips"]} role="group" aria-label="Failed points by reason">
            {plural(failures.reduce((sum, { count }) => sum + count, 0), "failed", "failed")}:
            {failures.map(({ why: one, count }) => (
              <Button key={one} size="compact-sm" variant={why.includes(one) ? "light" : "default"} aria-pressed={why.includes(one)} onClick={() => toggle(one)}>
                {one} {formatCount(count)}
              </Button>
            ))}
          </span>
        )}
        <span className={classes["spread"]}>
          <span>{isBrushed ? `${formatCount(late.length)} of ${formatCount(points.count)} chosen` : `all ${formatCount(points.count)} chosen`}</span>
          <Button disabled={ticked.size !== 2} onClick={compare}>Compare 2{ticked.size === 2 ? "" : `, ${ticked.size} ticked`}</Button>
          {tab !== "fields" && <SaveMenu picture={listed} title="Points" fileName={`${fileName}-points`} tables={tables} />}
        </span>
      </div>
      {tab === "points" && (
        <>
          {axes.length > 1 && <Panel><ParallelPlot points={points} columns={axes} chosen={chosen} ranges={ranges} onRanges={setRanges} fileName={fileName} tables={tables} /></Panel>}
          <div className={classes["two"]}>
            {parameter !== undefined && metric !== undefined && (
              <Panel><ResponsePlot points={points} chosen={late} isBrushed={isBrushed} x={parameter} y={metric} onAxes={set} onOpen={open} fileName={fileName} whole={whole} /></Panel>
            )}
            <Panel isFlush className={classes["short"] ?? ""}>{table}</Panel>
          </div>
        </>
      )}
      {tab === "fields" && <Panel><PointFields sweepId={sweep.id} points={points} rows={sorted} field={search.field} onOpen={open} fileName={fileName} /></Panel>}
      {tab === "table" && <Panel isFlush className="grow">{table}</Panel>}
    </>
  );
}

/** Axes of the parallel coordinates: what is varied, then metrics in the order that the simulation gives them. */
function chooseAxes(points: Points, order: readonly string[]) {
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const metrics = points.numbers.filter((column) => column.isMetric).sort((a, b) => rank(a.name) - rank(b.name));
  const parameters = points.numbers.filter((column) => !column.isMetric);
  return [...parameters, ...metrics].slice(0, Math.max(MOST_AXES, parameters.length + 1));
}
