/** Trends over one axis, by uPlot: lines told apart by colour, dash and label, bands of limits, marks at moments. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatTick } from "@/lib/format";
import { printUnit } from "@/lib/units";
import { css, onColours, pageColours } from "./colours";

export interface TrendSeries {
  readonly label: string;
  readonly unit: string;
  /** Lengths of dashes and gaps; absent: a whole line. */
  readonly dash?: readonly number[];
  /** Number of the colour, 1 to 5; absent: by its place. */
  readonly colour?: number;
}

/** A band between two values, drawn over the whole length; an absent end reaches to the edge. */
export interface TrendBand {
  readonly low?: number;
  readonly high?: number;
  readonly label: string;
}

export interface TrendMark {
  readonly at: number;
  readonly label: string;
}

export interface TrendOptions {
  readonly series: readonly TrendSeries[];
  readonly bands?: readonly TrendBand[];
  readonly marks?: readonly TrendMark[];
  /** Label and unit of the horizontal axis; default: time in seconds. */
  readonly axis?: { readonly label: string; readonly unit: string };
  readonly height?: number;
  /** Ends that the vertical axis shows at least; absent: those of the data. */
  readonly range?: readonly [number, number];
  /** The place of the cursor in the data, or null where it left. */
  readonly onCursor?: (index: number | null) => void;
}

export interface Trend {
  /** Show data: the horizontal axis first, then one array for each series; NaN is a gap. Views are not copied. */
  set(data: readonly Float64Array[]): void;
  /** Put the cursor at a place of the horizontal axis; null takes it away. */
  cursor(x: number | null): void;
  mark(marks: readonly TrendMark[]): void;
  destroy(): void;
}

const HEIGHT = 180;

/** Make a trend that fills the width of an element. */
export function makeTrend(element: HTMLElement, options: TrendOptions): Trend {
  let data = options.series.map(() => new Float64Array()) as Float64Array[];
  data.unshift(new Float64Array());
  let marks = options.marks ?? [];
  let plot: uPlot | null = null;
  let at: number | null = null;
  const build = () => {
    plot?.destroy();
    plot = new uPlot(describe(element, options, () => marks), data as unknown as uPlot.AlignedData, element);
  };
  const onResize = new ResizeObserver(() => {
    if (element.clientWidth > 0) plot?.setSize({ width: element.clientWidth, height: options.height ?? HEIGHT });
  });
  build();
  onResize.observe(element);
  const stop = onColours(build);
  return {
    set(next) {
      data = [...next];
      plot?.setData(data as unknown as uPlot.AlignedData);
    },
    cursor(x) {
      if (at === x || plot === null) return;
      at = x;
      const left = x === null ? -10 : plot.valToPos(x, "x");
      plot.setCursor({ left, top: x === null ? -10 : plot.over.clientHeight / 2 }, false);
    },
    mark(next) {
      marks = next;
      plot?.redraw(false);
    },
    destroy() {
      stop();
      onResize.disconnect();
      plot?.destroy();
      plot = null;
    },
  };
}

function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function describe(element: HTMLElement, options: TrendOptions, marks: () => readonly TrendMark[]): uPlot.Options {
  const units = [...new Set(options.series.map((series) => series.unit))];
  const axis = options.axis ?? { label: "time", unit: "s" };
  const line = { stroke: token("--grid-line"), width: 0.5 };
  const look = { stroke: token("--grid-second"), font: `12px ${token("--grid-font")}`, ticks: { ...line, size: 4 }, grid: line };
  const values = (_: uPlot, ticks: number[]) => ticks.map((value) => formatTick(value));
  return {
    width: Math.max(160, element.clientWidth),
    height: options.height ?? HEIGHT,
    legend: { show: false }, // its rows are made of markup; the page shows its own
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, ...Object.fromEntries(units.map((unit) => [scaleName(unit), { range: roomFor(options.range) }])) },
    axes: [
      { ...look, values, size: 26, label: withUnit(axis.label, axis.unit), labelSize: 16, labelFont: look.font, gap: 2 },
      ...units.map((unit, place) => ({
        ...look, values, scale: scaleName(unit), size: 64, space: 20, side: (place === 0 ? 3 : 1) as uPlot.Axis.Side, gap: 4,
        ...(place === 0 ? {} : { grid: { show: false } }),
        ...(printUnit(unit) === "" ? {} : { label: printUnit(unit), labelSize: 16, labelFont: look.font }),
      })),
    ],
    series: [
      {},
      ...options.series.map((series, place) => ({
        label: series.label, scale: scaleName(series.unit), width: 1.5, points: { show: false }, spanGaps: false,
        pxAlign: 0, // a smooth profile would have steps where its points are moved to whole pixels
        stroke: token(`--grid-series-${series.colour ?? (place % 5) + 1}`),
        ...(series.dash === undefined ? {} : { dash: [...series.dash] }),
      })),
    ],
    hooks: {
      drawClear: [(plot) => drawBands(plot, options, units)],
      draw: [(plot) => drawMarks(plot, marks())],
      setCursor: [(plot) => options.onCursor?.(plot.cursor.idx ?? null)],
    },
  };
}

function scaleName(unit: string): string {
  return unit === "" ? "y" : unit;
}

function withUnit(label: string, unit: string): string {
  return printUnit(unit) === "" ? label : `${label}, ${printUnit(unit)}`;
}

/** Ends of the vertical axis: room above and below, and never a span of nothing. */
function roomFor(least: readonly [number, number] | undefined) {
  return (_: uPlot, from: number | null, to: number | null): uPlot.Range.MinMax => {
    const low = Math.min(from ?? Number.POSITIVE_INFINITY, least?.[0] ?? Number.POSITIVE_INFINITY);
    const high = Math.max(to ?? Number.NEGATIVE_INFINITY, least?.[1] ?? Number.NEGATIVE_INFINITY);
    if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
    const span = high - low || Math.abs(high) || 1;
    return [low - 0.06 * span, high + 0.06 * span];
  };
}

function drawBands(plot: uPlot, options: TrendOptions, units: readonly string[]): void {
  const { left, top, width, height } = plot.bbox;
  const scale = scaleName(units[0] ?? "");
  for (const band of options.bands ?? []) {
    const upper = band.high === undefined ? top : plot.valToPos(band.high, scale, true);
    const lower = band.low === undefined ? top + height : plot.valToPos(band.low, scale, true);
    const [from, to] = [Math.max(top, upper), Math.min(top + height, lower)];
    if (to <= from) continue;
    plot.ctx.save();
    plot.ctx.globalAlpha = 0.14;
    plot.ctx.fillStyle = token("--grid-medium");
    plot.ctx.fillRect(left, from, width, to - from);
    plot.ctx.restore();
  }
}

function drawMarks(plot: uPlot, marks: readonly TrendMark[]): void {
  const { left, top, width, height } = plot.bbox;
  const ratio = window.devicePixelRatio || 1;
  plot.ctx.save();
  plot.ctx.strokeStyle = plot.ctx.fillStyle = css(pageColours().text);
  plot.ctx.lineWidth = ratio;
  plot.ctx.font = `${11 * ratio}px ${token("--grid-font")}`;
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.at, "x", true)) + 0.5;
    if (x < left || x > left + width) continue;
    plot.ctx.setLineDash([4 * ratio, 3 * ratio]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, top);
    plot.ctx.lineTo(x, top + height);
    plot.ctx.stroke();
    const isNearEnd = x > left + 0.85 * width;
    plot.ctx.textAlign = isNearEnd ? "right" : "left";
    plot.ctx.fillText(mark.label, x + (isNearEnd ? -4 : 4) * ratio, top + 11 * ratio);
  }
  plot.ctx.restore();
}
