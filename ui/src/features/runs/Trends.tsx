import { SegmentedControl } from "@mantine/core";
import { useEffect, useRef } from "react";
import { makeTrend, type Trend, type TrendBand, type TrendMark } from "@/draw/trends";
import { formatQuantity } from "@/lib/format";
import { printUnit } from "@/lib/units";
import { TRENDS, type TrendName } from ".";
import type { RunStream } from "./stream";
import { type Line, LINES, WORDS } from "./trendLines";
import classes from "./run.module.css";

const EVERY_MS = 250;

interface Props {
  readonly stream: RunStream;
  readonly unit: string;
  readonly trend: TrendName;
  readonly onTrend: (trend: TrendName) => void;
  readonly thresholds: Readonly<Record<string, readonly number[]>>;
  readonly marks: readonly TrendMark[];
  readonly cursor: number | null;
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly height: number;
}

/** Trends of a run over simulated time, with the bands in which a rule fires and the moments of switches. */
export default function Trends({ stream, unit, trend, onTrend, thresholds, marks, cursor, metrics, height }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const painter = useRef<Trend | null>(null);
  const shown = useRef(cursor);
  const lines = LINES[trend];
  const first = lines[0]?.metric ?? "";
  const bandKey = (thresholds[first] ?? []).join();

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const bands: TrendBand[] = bandKey === "" ? [] : bandKey.split(",").map((low) => ({ low: Number(low), label: "a rule fires" }));
    const made = makeTrend(element, {
      series: LINES[trend].map((line) => ({ label: line.label, unit: unitOf(line, unit), ...(line.dash === undefined ? {} : { dash: line.dash }) })),
      bands, height,
    });
    painter.current = made;
    let version = -1;
    const draw = () => {
      if (stream.rings.version === version || document.visibilityState === "hidden") return;
      version = stream.rings.version;
      made.set(stream.rings.windows(LINES[trend].map((line) => line.metric)));
      made.cursor(null); // the axis has moved beneath it
      made.cursor(shown.current);
    };
    draw();
    const timer = window.setInterval(draw, EVERY_MS);
    return () => {
      window.clearInterval(timer);
      made.destroy();
      painter.current = null;
    };
  }, [stream, trend, unit, bandKey, height]);
  useEffect(() => painter.current?.mark(marks), [marks, trend, bandKey, unit, height]);
  useEffect(() => {
    shown.current = cursor;
    painter.current?.cursor(cursor);
  }, [cursor, trend]);

  return (
    <div className={classes["trend"]} data-trend={`${WORDS[trend]} over simulated time`}>
      <div className={classes["foot"]}>
        <SegmentedControl
          size="xs" aria-label="Trend" value={trend} onChange={(value) => onTrend(value as TrendName)}
          data={TRENDS.map((value) => ({ value, label: WORDS[value] }))}
        />
        <span className={classes["keyline"]}>
          {lines.map((line, index) => (
            <span key={line.metric} className={classes["key"]}>
              <i style={{ color: `var(--grid-series-${index + 1})` }} data-line={labelOf(line, unit)} data-dash={line.dash === undefined ? undefined : true} />
              {line.label} <b>{formatQuantity(metrics[line.metric], unitOf(line, unit))}</b>
            </span>
          ))}
        </span>
      </div>
      <div ref={place} role="img" aria-label={sentence(lines, metrics, unit)} />
    </div>
  );
}

function labelOf(line: Line, temperature: string): string {
  const printed = printUnit(unitOf(line, temperature));
  return printed === "" ? line.label : `${line.label}, ${printed}`;
}

function unitOf(line: Line, temperature: string): string {
  return line.unit === "temperature" ? temperature : line.unit;
}

function sentence(lines: readonly Line[], metrics: Readonly<Record<string, number | null>>, unit: string): string {
  return `Trend over simulated time: ${lines.map((line) => `${line.label} now ${formatQuantity(metrics[line.metric], unitOf(line, unit))}`).join(", ")}`;
}
