import { lazy, Suspense } from "react";
import { formatNumber } from "@/lib/format";
import { AXES, centreOf } from "./geometry";
import { Legend, StateLegend } from "./Legends";
import { LiveField, type LiveFieldProps } from "./LiveField";
import { MAPS } from "./useFieldPainter";
import classes from "./run.module.css";

const LiveVolume = lazy(() => import("./LiveVolume"));
const NORMALS = [2, 1, 0] as const;

type Props = Omit<LiveFieldProps, "cut" | "hasLegend"> & { readonly span?: { readonly low: number; readonly high: number } | undefined };

/** A body of three axes: a plane normal to each, which can be moved, and the volume; all on one scale. */
export default function BodyField(props: Props) {
  const { body, field, planes, onPlanes, span } = props;
  const put = (axis: number, cell: number) => onPlanes?.(planes.map((old, other) => (other === axis ? cell : old)));
  return (
    <div className={classes["body3"]}>
      <div className={classes["deep"]}><div className={classes["quarters"]}>
        {NORMALS.map((axis, place) => {
          const name = AXES[axis];
          const at = `${name} = ${formatNumber(centreOf(body, axis, planes[axis] ?? 0), 3)}${body.size === null ? "" : "\u2009m"}`;
          return (
            <div key={axis} className={classes["quarter"]}>
              <label className={classes["slice"]}>
                <span>{at}</span>
                <input
                  type="range" aria-label={`Plane normal to ${name}`} aria-valuetext={at} min={0} max={(body.cells[axis] ?? 1) - 1} value={planes[axis] ?? 0}
                  onChange={(event) => put(axis, Number(event.currentTarget.value))}
                />
              </label>
              <LiveField {...props} cut={axis} hasLegend={false} title={at} empty={place === 0 ? props.empty : null} />
            </div>
          );
        })}
        <div className={classes["quarter"]}>
          <Suspense fallback={null}>
            <LiveVolume {...props} />
          </Suspense>
        </div>
      </div></div>
      {span !== undefined && (field === "state" ? <StateLegend /> : <Legend map={MAPS[field]} span={span} unit={props.unit} isLocked={props.locked !== undefined} />)}
    </div>
  );
}
