import { useEffect, useRef } from "react";
import type { Trend, TrendMark, TrendOptions } from "@/draw/trends";
import { columnHead } from "./fieldPlaces";
import { tableFile } from "./files";
import { SaveMenu } from "./SaveMenu";
import classes from "./TrendView.module.css";

interface Props {
  readonly options: Omit<TrendOptions, "onCursor" | "marks">;
  /** The horizontal axis first, then one array for each series. */
  readonly data: readonly Float64Array[];
  readonly marks?: readonly TrendMark[];
  readonly onCursor?: (index: number | null) => void;
  /** What is drawn, for those who cannot see it. */
  readonly sentence: string;
  /** What it is called where it can be saved as a picture and a table; absent: it cannot. */
  readonly savesAs?: string;
}

/** Lines over one axis, with a legend that tells colour and dash; uPlot is loaded when the first is shown. */
export function TrendView({ options, data, marks, onCursor, sentence, savesAs }: Props) {
  const figure = useRef<HTMLElement>(null);
  const place = useRef<HTMLDivElement>(null);
  const trend = useRef<Trend>(null);
  const latest = useRef({ data, marks, onCursor });
  useEffect(() => {
    latest.current = { data, marks, onCursor };
  });
  useEffect(() => {
    let isHere = true;
    void import("@/draw/trends").then(({ makeTrend }) => {
      if (!isHere || place.current === null) return;
      trend.current = makeTrend(place.current, { ...options, onCursor: (index) => latest.current.onCursor?.(index) });
      trend.current.set(latest.current.data);
      trend.current.mark(latest.current.marks ?? []);
    });
    return () => {
      isHere = false;
      trend.current?.destroy();
      trend.current = null;
    };
  }, [options]);
  useEffect(() => trend.current?.set(data), [data]);
  useEffect(() => trend.current?.mark(marks ?? []), [marks]);
  return (
    <figure ref={figure} className={classes["trend"]}>
      {(options.series.length > 1 || savesAs !== undefined) && (
        <figcaption className={classes["legend"]}>
          {(options.series.length > 1 || options.series[0]?.label !== savesAs) && options.series.map((series, at) => (
            <span key={series.label} className={classes["item"]}>
              <svg width="24" height="8" aria-hidden="true">
                <line
                  x1="0" y1="4" x2="24" y2="4" strokeWidth="2"
                  stroke={`var(--grid-series-${series.colour ?? (at % 5) + 1})`}
                  strokeDasharray={series.dash?.join(" ")}
                />
              </svg>
              {series.label}
            </span>
          ))}
          {savesAs !== undefined && (
            <span className={classes["save"]}>
              <SaveMenu
                picture={figure} title={savesAs} fileName={savesAs}
                tables={[{ label: "All values", make: () => trendTable(options, latest.current.data) }]}
              />
            </span>
          )}
        </figcaption>
      )}
      <div ref={place} role="img" aria-label={sentence} style={{ minHeight: options.height ?? 180 }} />
    </figure>
  );
}

/** One row for each place of the horizontal axis; a gap is an empty cell. */
export function trendTable(options: Pick<TrendOptions, "axis" | "series">, data: readonly Float64Array[]): Blob {
  const { label, unit } = options.axis ?? { label: "time", unit: "s" };
  const head = [columnHead(label, unit), ...options.series.map((series) => columnHead(series.label, series.unit))];
  return tableFile(head, Array.from(data[0] ?? [], (_, row) => data.map((column) => column[row])));
}
