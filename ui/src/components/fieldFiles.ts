/** A field as files: a picture with its legend, and a table of all cells with their places. */
import { css, pageColours } from "@/draw/colours";
import type { Look } from "@/draw/heatmap";
import { lutOf } from "@/draw/luts";
import { csvRow } from "@/lib/csv";
import { formatNumber } from "@/lib/format";
import { type Frame, toValues } from "@/lib/frame";
import { printUnit } from "@/lib/units";
import { cellIndices, columnHead, type FieldAxis, positionOf } from "./fieldPlaces";

/** Hand a file to the browser, which keeps it where downloads go. */
export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name.replace(/[^\w.-]+/g, "-");
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Every cell as a row: its place along each axis, and its value. */
export function fieldCsv(frame: Frame, title: string, axes: readonly FieldAxis[]): Blob {
  const values = toValues(frame);
  const rows = [csvRow([...axes.map((axis) => columnHead(axis.name, axis.unit)), columnHead(title, frame.unit)])];
  for (let cell = 0; cell < values.length; cell += 1) {
    const places = cellIndices(frame.shape, cell).map((index, axis) => positionOf(axes[axis] as FieldAxis, index));
    rows.push(csvRow([...places.map((place) => Number(place.toPrecision(12))), values[cell]]));
  }
  return new Blob(rows, { type: "text/csv" });
}

/** The picture on a canvas with its title, scale and unit. */
export async function fieldPicture(canvas: HTMLCanvasElement, frame: Frame, look: Look, title: string): Promise<Blob | null> {
  const [margin, head, right] = [16, 36, 120];
  const ratio = canvas.width / Math.max(1, canvas.clientWidth);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const sheet = document.createElement("canvas");
  sheet.width = Math.round((width + 2 * margin + right) * ratio);
  sheet.height = Math.round((height + 2 * margin + head) * ratio);
  const context = sheet.getContext("2d");
  if (context === null) return null;
  const { surface, text } = pageColours();
  context.scale(ratio, ratio);
  context.fillStyle = css(surface);
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.drawImage(canvas, margin, margin + head, width, height);
  drawBar(context, look, margin + width + 16, margin + head, 16, height);
  context.fillStyle = css(text);
  context.font = "600 14px system-ui, sans-serif";
  context.fillText(title, margin, margin + 16);
  context.font = "12px system-ui, sans-serif";
  const unit = printUnit(frame.unit);
  context.fillText(`${formatNumber(look.high)} ${unit}`, margin + width + 40, margin + head + 10);
  context.fillText(`${formatNumber(look.low)} ${unit}`, margin + width + 40, margin + head + height);
  return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
}

function drawBar(context: CanvasRenderingContext2D, look: Look, x: number, y: number, width: number, height: number): void {
  const lut = lutOf(look.map);
  for (let row = 0; row < height; row += 1) {
    const at = 3 * Math.round(255 * (1 - row / Math.max(1, height - 1)));
    context.fillStyle = `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
    context.fillRect(x, y + row, width, 1);
  }
}
