/** ECharts in the parts that are needed, on a canvas; loaded when a chart is first shown. Tooltips are drawn, not HTML. */
import { LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use as register } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { type Axis, type Chart, DASHES, type Picture } from "./picture";

register([LineChart, ScatterChart, GridComponent, TooltipComponent, CanvasRenderer]);

const LARGE = 2_000; // points from which on they are drawn in one go
const MOST_CONNECTED = 12;

export function makeChart(element: HTMLElement): Chart {
  return init(element, null, { renderer: "canvas" });
}

export function drawChart(chart: Chart, picture: Picture, token: (name: string) => string): void {
  const axis = ({ title, isLog }: Axis) => ({
    type: isLog ? ("log" as const) : ("value" as const), name: title, scale: true, nameLocation: "middle" as const,
    nameTextStyle: { color: token("--grid-second") }, axisLabel: { color: token("--grid-second"), hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: token("--grid-control") } }, splitLine: { lineStyle: { color: token("--grid-line"), opacity: 0.5 } },
  });
  const isConnected = picture.lines.length <= MOST_CONNECTED;
  const lines = picture.lines.map((line, index) => {
    const colour = token(`--grid-series-${(index % 5) + 1}`);
    const shared = { name: line.label, data: line.data as [number, number, number][], itemStyle: { color: colour, opacity: isConnected ? 1 : 0.5 } };
    return isConnected
      ? { ...shared, type: "line" as const, symbol: "circle", symbolSize: 5, lineStyle: { color: colour, width: 1.5, type: [...(DASHES[Math.floor(index / 5) % 5] ?? [])] } }
      : { ...shared, type: "scatter" as const, symbolSize: 5, large: true, largeThreshold: LARGE };
  });
  const failed = {
    type: "scatter" as const, data: picture.failed.map(([x, row]) => [x, picture.low, row]), symbolSize: 8, z: 4, clip: false,
    itemStyle: { color: "transparent", borderColor: token("--grid-medium"), borderWidth: 1.5 },
  };
  chart.setOption(
    {
      animation: false,
      grid: { left: 64, right: 24, top: 16, bottom: 44 },
      textStyle: { fontFamily: token("--grid-font"), fontSize: 12 },
      tooltip: {
        renderMode: "richText", trigger: "item", backgroundColor: token("--grid-surface"), borderColor: token("--grid-control"),
        textStyle: { color: token("--grid-text"), fontSize: 12 },
        formatter: (item: { data?: unknown }) => (Array.isArray(item.data) ? picture.tooltip(Number(item.data[2])) : ""),
      },
      xAxis: { ...axis(picture.x), nameGap: 28 },
      yAxis: { ...axis(picture.y), nameGap: 48 },
      series: [...lines, failed],
    },
    { notMerge: true },
  );
}

/** Draw a ring around each of some points on a canvas above the chart, which stays as it is while a brush moves. */
export function drawRings(chart: Chart, canvas: HTMLCanvasElement, places: readonly (readonly [number, number])[], colour: string): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [width, height] = [Math.round(chart.getWidth() * ratio), Math.round(chart.getHeight() * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  const stamp = places.length === 0 ? null : makeRing(colour, ratio);
  for (const place of places) {
    const [x = Number.NaN, y = Number.NaN] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [...place]);
    if (stamp === null || !Number.isFinite(x + y)) continue;
    context.drawImage(stamp, Math.round(x * ratio - stamp.width / 2), Math.round(y * ratio - stamp.height / 2));
  }
}

const RING = 4.5; // its radius in pixels
const STROKE = 2;
let ring: { readonly key: string; readonly picture: OffscreenCanvas } | null = null;

/** A ring, drawn once and stamped at each place: five hundred strokes of arcs would take most of a frame. */
function makeRing(colour: string, ratio: number): OffscreenCanvas {
  const key = `${colour} ${ratio}`;
  if (ring?.key === key) return ring.picture;
  const size = 2 * Math.ceil((RING + STROKE) * ratio);
  const picture = new OffscreenCanvas(size, size);
  const context = picture.getContext("2d");
  if (context !== null) {
    context.strokeStyle = colour;
    context.lineWidth = STROKE * ratio;
    context.arc(size / 2, size / 2, RING * ratio, 0, 2 * Math.PI);
    context.stroke();
  }
  ring = { key, picture };
  return picture;
}
