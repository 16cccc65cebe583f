import { lazy, Suspense } from "react";
import { drawnAxes } from "./geometry";
import { LiveField, type FieldSource, type LiveFieldProps } from "./LiveField";
import type { Span } from "./scale";

const BodyField = lazy(() => import("./BodyField"));
const RodField = lazy(() => import("./RodField"));

export interface FieldAreaProps extends LiveFieldProps {
  readonly runId: string;
  /** The newest tick, and the one of the past that is shown. */
  readonly newest: number;
  /** The newest tick that the server can compute again. */
  readonly stored: number;
  readonly tick: number | undefined;
  readonly onTick: (tick: number | undefined) => void;
  /** Frames as they come, also while the past is shown. */
  readonly liveSource: FieldSource;
  readonly tickSeconds: number;
  /** Ends of the scale of the run, once they are known. */
  readonly span: Span | undefined;
}

/** The field of a run by its axes: a profile with its past, a heatmap, or three planes with a volume. */
export function FieldArea({ runId, newest, stored, tick, onTick, liveSource, tickSeconds, span, ...field }: FieldAreaProps) {
  const { up, cut } = drawnAxes(field.body.cells, field.cut);
  if (up !== undefined && cut === undefined) return <LiveField {...field} />;
  return (
    <Suspense fallback={null}>
      {up === undefined
        ? <RodField {...field} runId={runId} newest={newest} stored={stored} tick={tick} onTick={onTick} liveSource={liveSource} tickSeconds={tickSeconds} span={span} />
        : <BodyField {...field} span={span} />}
    </Suspense>
  );
}
