import { lutOf, type MapName } from "@/draw/luts";
import { formatNumber } from "@/lib/format";
import { printUnit } from "@/lib/units";
import type { Span } from "./scale";
import classes from "./run.module.css";

export const STATES = ["sound", "yielding", "failed"] as const;

/** The scale of a field: its colours, both ends, its unit, and whether it is locked. */
export function Legend({ map, span, unit, isLocked }: { map: MapName; span: Span; unit: string; isLocked: boolean }) {
  return (
    <div className={classes["legend"]}>
      <b>{formatNumber(span.high)}</b>
      <div className={classes["bar"]} style={{ background: gradient(map) }} />
      <b>{formatNumber(span.low)}</b>
      <span>{printUnit(unit) || "no unit"}</span>
      <span title="Equal colours are equal values">{isLocked ? "locked" : "over the run"}</span>
    </div>
  );
}

/** The colours of the states of cells. */
export function StateLegend() {
  const colours = lutOf("cividis");
  return (
    <div className={classes["legend"]}>
      <div className={classes["states"]}>
        {STATES.map((name, place) => {
          const at = 3 * Math.round((place / 2) * 255);
          return (
            <span key={name}>
              <i style={{ display: "inline-block", width: 12, height: 12, marginRight: 6, background: `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})` }} />
              {name}
            </span>
          );
        })}
      </div>
    </div>
  );
}

function gradient(map: MapName): string {
  const colours = lutOf(map);
  const stops = Array.from({ length: 17 }, (_, place) => {
    const at = 3 * Math.round((place / 16) * 255);
    return `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})`;
  });
  return `linear-gradient(to top, ${stops.join(", ")})`;
}
