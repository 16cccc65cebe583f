import { Button } from "@mantine/core";
import { useEffect, useMemo } from "react";
import { EmptyState } from "@/components/EmptyState";
import { Panel } from "@/components/Panel";
import { drawnAxes } from "./geometry";
import { LiveField, type FieldSource, type LiveFieldProps } from "./LiveField";
import type { Run } from "./queries";
import { isOver } from "./states";
import { useBody } from "./useRun";
import { useFigures, useRunStream } from "./useRunStream";

interface Props {
  readonly run: Run;
  readonly shared: Pick<LiveFieldProps, "field" | "unit" | "locked" | "thresholds" | "planes" | "known">;
  readonly onClose: () => void;
}

const ignore = () => undefined;

/** The picture of a branch beside its trunk, on the scale of the trunk; of a body its middle plane. */
export function Beside({ run, shared, onClose }: Props) {
  const stream = useRunStream(run.id);
  const figures = useFigures(stream);
  const body = useBody(run);
  useEffect(() => stream.showField(isOver(run.status) ? null : shared.field), [stream, shared.field, run.status]);
  const source = useMemo<FieldSource>(
    () => ({ current: () => stream.frame, onFrame: stream.onFrame, onDrawn: (frame) => stream.grant(frame) }),
    [stream],
  );
  return (
    <Panel
      isFlush title={`${run.name} (${run.status}), tick ${figures.tick ?? run.tick}`}
      actions={<Button size="compact-sm" onClick={onClose}>Close</Button>}
    >
      <LiveField
        {...shared} title={`branch ${run.name}`} body={body} cut={drawnAxes(body.cells, undefined).cut} source={source} onSpan={ignore} isPast={false}
        stale={figures.isStale ? "stale" : undefined} isHeld={false} ghosts={[]} canSteer={false}
        empty={<Waiting run={run} isPast={false} error={figures.error} />}
      />
    </Panel>
  );
}

/** What stands in place of a picture that is not there yet. */
export function Waiting({ run, isPast, error }: { run: Run; isPast: boolean; error: unknown }) {
  if (isPast) return error === undefined ? <EmptyState title="The past is computed again">From the nearest snapshot and the log.</EmptyState> : null;
  if (typeof error === "string") return <EmptyState title="The picture cannot be read">{error}</EmptyState>;
  if (isOver(run.status)) return <EmptyState title={`The run has ${run.status === "failed" ? "failed" : "stopped"}`}>{run.message}</EmptyState>;
  return <EmptyState title={run.activity === "compiling" ? "Kernels are compiled" : "No picture yet"}>{run.message}</EmptyState>;
}
