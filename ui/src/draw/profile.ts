/** A field of one axis as a line: x to the right, values upwards between the ends of the scale. */
import { formatTick } from "@/lib/format";
import { type Frame, scaleOf } from "@/lib/frame";
import { css, onColours, pageColours } from "./colours";
import type { HeatmapPainter, Look } from "./heatmap";
import { HALO_WIDTH, LINE_WIDTH, markPlace, markSegments } from "./marks";
import { roundTicks } from "./ticks";

const FONT = "12px system-ui, sans-serif";
const MOST_RATIO = 2;

/** Make the painter of a rod; it is used as those of heatmaps are. */
export function makeProfile(canvas: HTMLCanvasElement): HeatmapPainter {
  const context = canvas.getContext("2d", { alpha: false });
  let [width, height, ratio] = [0, 0, 1];
  let shown: { readonly frame: Frame; readonly look: Look } | null = null;
  const draw = (frame: Frame, look: Look) => {
    shown = { frame, look };
    if (context === null || width < 1 || height < 1) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, frame, look, width, height);
  };
  const redraw = () => shown !== null && draw(shown.frame, shown.look);
  const stop = onColours(redraw);
  return {
    kind: "canvas2d",
    draw,
    resize(wide, high) {
      ratio = Math.min(MOST_RATIO, window.devicePixelRatio || 1);
      [width, height] = [Math.max(1, Math.round(wide)), Math.max(1, Math.round(high))];
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
      redraw();
    },
    pick(x, y) {
      const cells = shown?.frame.codes.length ?? 0;
      if (cells === 0 || !(x >= 0 && x < width && y >= 0 && y < height)) return null;
      return [Math.min(cells - 1, Math.floor((x / width) * cells)), 0];
    },
    destroy() {
      stop();
      shown = null;
    },
  };
}

/** Heights of the values in pixels from above; NaN where a cell has none. */
export function findHeights(frame: Frame, low: number, high: number, height: number): Float64Array {
  const [step, span] = [scaleOf(frame), high - low];
  return Float64Array.from(frame.codes, (code) => {
    if (code === frame.masked) return Number.NaN;
    return span > 0 ? height * (1 - (frame.low + step * code - low) / span) : height / 2;
  });
}

function paint(context: CanvasRenderingContext2D, frame: Frame, look: Look, width: number, height: number): void {
  const { surface, text } = pageColours();
  const [ink, ground] = [css(text), css(surface)];
  const yOf = (value: number) => (look.high > look.low ? height * (1 - (value - look.low) / (look.high - look.low)) : height / 2);
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
  context.font = FONT;
  for (const tick of roundTicks(look.low, look.high, Math.max(2, Math.floor(height / 48)))) {
    const y = Math.round(yOf(tick)) + 0.5;
    if (y < 10 || y > height - 4) continue;
    context.globalAlpha = 0.18;
    line(context, [[0, y], [width, y]], ink, 1, []);
    context.globalAlpha = 0.75;
    context.fillStyle = ink;
    context.fillText(formatTick(tick), 4, y - 3);
  }
  context.globalAlpha = 1;
  for (const { value, double = false } of look.isolines) {
    const y = yOf(value);
    line(context, [[0, y], [width, y]], ink, 1.5, double ? [] : [6, 4]);
    if (double) line(context, [[0, y - 3], [width, y - 3]], ink, 1.5, []);
  }
  drawLine(context, findHeights(frame, look.low, look.high, height), width, ink);
  drawMarks(context, frame, look, width, yOf);
}

function drawLine(context: CanvasRenderingContext2D, heights: Float64Array, width: number, ink: string): void {
  context.beginPath();
  let isDrawn = false;
  heights.forEach((y, cell) => {
    const x = ((cell + 0.5) / heights.length) * width;
    if (Number.isNaN(y)) isDrawn = false;
    else if (isDrawn) context.lineTo(x, y);
    else context.moveTo(x, y);
    isDrawn = !Number.isNaN(y);
  });
  stroke(context, ink, 2, []);
}

function drawMarks(
  context: CanvasRenderingContext2D, frame: Frame, look: Look, width: number, yOf: (value: number) => number,
): void {
  const { surface, text } = pageColours();
  for (const mark of look.marks) {
    const code = frame.codes[mark.x];
    if (code === undefined || code === frame.masked) continue;
    const [x, y] = [markPlace(mark.x, frame.codes.length, width), yOf(frame.low + scaleOf(frame) * code)];
    for (const [colour, thickness] of [[css(surface), HALO_WIDTH], [css(text), LINE_WIDTH]] as const) {
      const segments = markSegments(mark.kind);
      context.beginPath();
      for (let at = 0; at < segments.length; at += 4) {
        context.moveTo(x + (segments[at] as number), y + (segments[at + 1] as number));
        context.lineTo(x + (segments[at + 2] as number), y + (segments[at + 3] as number));
      }
      stroke(context, colour, thickness, []);
    }
  }
}

function line(context: CanvasRenderingContext2D, points: readonly (readonly [number, number])[], colour: string, width: number, dash: number[]): void {
  context.beginPath();
  points.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  stroke(context, colour, width, dash);
}

function stroke(context: CanvasRenderingContext2D, colour: string, width: number, dash: number[]): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(dash);
  context.stroke();
}
