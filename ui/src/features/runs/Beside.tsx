import { Button } from "@mantine/core";
import { useEffect, useMemo } from "react";
import { Panel } from "@/components/Panel";
import { makeHeatmap } from "@/draw/heatmap";
import { makeProfile } from "@/draw/profile";
import { drawnAxes } from "./geometry";
import { LiveField, type FieldSource, type LiveFieldProps } from "./LiveField";
import type { Run } from "./queries";
import { isOver } from "./states";
import { useBody } from "./useRun";
import { useFigures, useRunStream } from "./useRunStream";
import { Waiting } from "./Waiting";

interface Props {
  readonly run: Run;
  readonly shared: Pick<LiveFieldProps, "field" | "unit" | "locked" | "thresholds" | "planes" | "known">;
  readonly onClose: () => void;
}

const ignore = () => undefined;

/** The picture of a branch beside its trunk, on the scale of the trunk; of a body its middle plane. */
export default function Beside({ run, shared, onClose }: Props) {
  const stream = useRunStream(run.id);
  const figures = useFigures(stream);
  const body = useBody(run);
  useEffect(() => stream.showField(isOver(run.status) ? null : shared.field), [stream, shared.field, run.status]);
  const { up, cut } = drawnAxes(body.cells, undefined);
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
        {...shared} title={`branch ${run.name}`} body={body} cut={cut} makePainter={up === undefined ? makeProfile : makeHeatmap} source={source} onSpan={ignore} isPast={false}
        stale={figures.isStale ? "stale" : undefined} isHeld={false} ghosts={[]} canSteer={false}
        empty={<Waiting run={run} isPast={false} error={figures.error} />}
      />
    </Panel>
  );
}
