import { Button, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { asProblem } from "@/api/problems";
import { Panel } from "@/components/Panel";
import { Problem } from "@/components/Problem";
import { makeTrend } from "@/draw/trends";
import { formatDuration } from "@/lib/format";
import { historyQuery, runsQuery, testRule } from "./queries";
import { type Draft, findFaults, leadingNumber, refusedFields, toRule } from "./rule";
import classes from "./rules.module.css";

/** Tries a rule on the samples of a run that was: when it would have fired, and how often in vain. */
export default function Tester({ draft, kept, run, onRun }: { draft: Draft; kept: Readonly<Record<string, unknown>>; run: string | undefined; onRun: (run: string) => void }) {
  const runs = useQuery(runsQuery);
  const [truth, setTruth] = useState("");
  const items = runs.data?.items ?? [];
  const chosen = run ?? items[0]?.id;
  const testing = useMutation({ mutationFn: () => testRule(toRule(draft, kept), chosen ?? "", truth.trim()) });
  const refused = testing.isError ? refusedFields(asProblem(testing.error).errors) : {};
  const isReady = chosen !== undefined && Object.keys(findFaults(draft)).length === 0;
  return (
    <Panel title="Try it on a run">
      {items.length === 0 ? (
        <p>A rule is tried on the samples of a run. There is none yet.</p>
      ) : (
        <>
          <form
            className={classes["tools"]}
            onSubmit={(event) => {
              event.preventDefault();
              if (isReady) testing.mutate();
            }}
          >
            <NativeSelect
              size="sm" label="Run" value={chosen} onChange={(event) => onRun(event.currentTarget.value)}
              data={items.map((item) => ({ value: item.id, label: `${item.name === "" ? (item.scenario ?? "run") : item.name}, ${item.id.slice(0, 8)}` }))}
            />
            <TextInput
              size="sm" label="What it should warn of" placeholder="default: the first failed cell" value={truth} error={refused["truth"]}
              onChange={(event) => {
                setTruth(event.currentTarget.value);
                if (testing.isError) testing.reset();
              }}
            />
            <Button type="submit" disabled={!isReady} loading={testing.isPending}>Try</Button>
          </form>
          {chosen !== undefined && <Recorded run={chosen} draft={draft} />}
          {testing.isError && <Problem error={testing.error} />}
          {testing.data !== undefined && (
            <table className={classes["scores"]}>
              <caption>
                {formatDuration(testing.data.length_s)} of samples, one for each {formatDuration(testing.data.resolution_s)}; what it should warn of happened {testing.data.truths} times
              </caption>
              <thead>
                <tr><th>Rule</th><th>Fired</th><th>False alarms</th><th>Missed</th><th>Flaps</th><th>Longest delay</th><th>Shortest warning</th></tr>
              </thead>
              <tbody>
                {testing.data.scores.map((score) => (
                  <tr key={score.rule}>
                    <td>{score.rule}</td><td>{score.fired}</td><td>{score.false_alarms}</td><td>{score.missed}</td><td>{score.flaps}</td>
                    <td>{formatDuration(score.delay_s)}</td><td>{formatDuration(score.warning_s)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </>
      )}
    </Panel>
  );
}

/** The recorded course of the rule's metric, with both thresholds: the band in which it fires begins at the one. */
function Recorded({ run, draft }: { run: string; draft: Draft }) {
  const place = useRef<HTMLDivElement>(null);
  const history = useQuery(historyQuery(run, draft.metric));
  const { op } = draft;
  const [raise, clear] = [leadingNumber(draft.raise), leadingNumber(draft.clear)];
  const { data } = history;
  useEffect(() => {
    const element = place.current;
    const columns = data?.metrics[draft.metric];
    if (element === null || data === undefined || columns === undefined) return undefined;
    const band = (value: number | undefined, label: string) =>
      value === undefined ? [] : [op === "<" ? { high: value, label } : { low: value, label }];
    const series = [
      { label: op === "<" ? "least" : "largest", unit: "" }, { label: "ends at", unit: "", dash: [2, 4], colour: 5 }, { label: "fires at", unit: "", dash: [6, 4], colour: 2 },
    ];
    const trend = makeTrend(element, { series, bands: band(raise, "it fires"), height: 180 });
    const values = op === "<" ? columns.min : columns.max;
    const times = Float64Array.from(data.time_s);
    const line = (value: number | undefined) => new Float64Array(times.length).fill(value ?? Number.NaN);
    trend.set([times, Float64Array.from(values, (value) => value ?? Number.NaN), line(clear), line(raise)]);
    return () => trend.destroy();
  }, [data, draft.metric, op, raise, clear]);
  if (history.isError) return <p>The samples of this run have no {draft.metric}.</p>;
  return <div ref={place} role="img" aria-label={`${draft.metric} of the run over simulated time, with the thresholds of the rule`} style={{ marginTop: 12, minHeight: 180 }} />;
}
