import { useMemo } from "react";
import type { Look } from "@/draw/heatmap";
import { countValues } from "@/draw/scale";
import { roundTicks } from "@/draw/ticks";
import { formatCount, formatNumber, formatTick } from "@/lib/format";
import type { Frame } from "@/lib/frame";
import { printUnit } from "@/lib/units";
import classes from "./FieldView.module.css";
import { gradientOf } from "./gradient";

const BINS = 32;

/** The scale of a field: its colours, unit, both ends, how often each value occurs, and what lies beyond. */
export function FieldLegend({ frame, look, height }: { frame: Frame; look: Look; height: number }) {
  const counted = useMemo(() => countValues(frame, look.low, look.high, BINS), [frame, look.low, look.high]);
  const most = Math.max(1, ...counted.bins);
  const ticks = look.high > look.low ? roundTicks(look.low, look.high, 4) : [];
  const span = look.high - look.low;
  const beyond = counted.below + counted.above;
  const edge = 0.06 * span; // ticks that would stand on the ends' own numbers
  return (
    <div className={classes["legend"]} aria-hidden="true">
      <span className={classes["end"]}>{formatNumber(look.high)} {printUnit(frame.unit)}</span>
      <div className={classes["scale"]} style={{ height }}>
        <div className={classes["bar"]} style={{ background: gradientOf(look.map, "top") }} />
        <svg className={classes["histogram"]} viewBox={`0 0 40 ${BINS}`} preserveAspectRatio="none">
          {counted.bins.map((cells, bin) => (
            <rect key={bin} x="0" y={BINS - 1 - bin} height="0.9" width={cells === 0 ? 0 : 1 + (39 * cells) / most} />
          ))}
        </svg>
        {ticks.filter((tick) => tick > look.low + edge && tick < look.high - edge).map((tick) => (
          <span key={tick} className={classes["mark"]} style={{ bottom: `${(100 * (tick - look.low)) / span}%` }}>
            {formatTick(tick)}
          </span>
        ))}
      </div>
      <span className={classes["end"]}>{formatNumber(look.low)} {printUnit(frame.unit)}</span>
      {beyond > 0 && <span className={classes["beyond"]}>{formatCount(beyond)} beyond, hatched</span>}
      {counted.masked > 0 && <span className={classes["beyond"]}>{formatCount(counted.masked)} without value</span>}
    </div>
  );
}
