import { useEffect, useRef } from "react";
import type { Trend, TrendMark, TrendOptions } from "@/draw/trends";
import classes from "./TrendView.module.css";

interface Props {
  readonly options: Omit<TrendOptions, "onCursor" | "marks">;
  /** The horizontal axis first, then one array for each series. */
  readonly data: readonly Float64Array[];
  readonly marks?: readonly TrendMark[];
  readonly onCursor?: (index: number | null) => void;
  /** What is drawn, for those who cannot see it. */
  readonly sentence: string;
}

/** Lines over one axis, with a legend that tells colour and dash; uPlot is loaded when the first is shown. */
export function TrendView({ options, data, marks, onCursor, sentence }: Props) {
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
    <figure className={classes["trend"]}>
      {options.series.length > 1 && (
        <figcaption className={classes["legend"]}>
          {options.series.map((series, at) => (
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
        </figcaption>
      )}
      <div ref={place} role="img" aria-label={sentence} style={{ minHeight: options.height ?? 180 }} />
    </figure>
  );
}
