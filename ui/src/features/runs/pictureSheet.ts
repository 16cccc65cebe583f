/** A picture for a file: what canvases show, under one title, with the scale or the lines that they are read by. */
import { css, pageColours } from "@/draw/colours";
import { lutOf, type MapName } from "@/draw/luts";
import { formatNumber } from "@/lib/format";
import { printUnit } from "@/lib/units";

export interface Tile {
  readonly label: string;
  /** Lowest first. */
  readonly canvases: readonly HTMLCanvasElement[];
  /** In CSS pixels. */
  readonly width: number;
  readonly height: number;
}

export interface Scale {
  readonly map: MapName;
  readonly low: number;
  readonly high: number;
  readonly unit: string;
  /** Names of whole values from `low` to `high`, which have no scale between them: states of cells. */
  readonly names?: readonly string[] | undefined;
}

export interface Line {
  readonly label: string;
  readonly colour: string;
  readonly isDashed: boolean;
}

const [MARGIN, HEAD, LABEL, GAP, BAR, LINES] = [16, 28, 20, 16, 112, 24]; // CSS pixels
const FONT = "12px system-ui, sans-serif";
const TITLE_FONT = "600 14px system-ui, sans-serif";
const KEY = 54; // CSS pixels of a line's key beside its name

/** Places of tiles beside each other: one below the other, or two in a row where there are more than two. */
export function placeTiles(tiles: readonly Pick<Tile, "width" | "height">[]): { places: (readonly [number, number])[]; width: number; height: number } {
  const columns = tiles.length > 2 ? 2 : 1;
  const places: (readonly [number, number])[] = [];
  let [y, width] = [0, 0];
  for (let first = 0; first < tiles.length; first += columns) {
    const row = tiles.slice(first, first + columns);
    let x = 0;
    for (const tile of row) {
      places.push([x, y]);
      x += tile.width + GAP;
    }
    width = Math.max(width, x - GAP);
    y += Math.max(...row.map((tile) => tile.height)) + LABEL + GAP;
  }
  return { places, width, height: Math.max(0, y - GAP) };
}

/** Compose a picture; null where the browser gives no canvas. */
export function composePicture(title: string, tiles: readonly Tile[], scale?: Scale, lines: readonly Line[] = []): Promise<Blob | null> {
  const ratio = Math.max(1, ...tiles.map((tile) => (tile.canvases[0]?.width ?? 0) / Math.max(1, tile.width)));
  const sheet = document.createElement("canvas");
  const foot = lines.length > 0 ? LINES : 0;
  const context = sheet.getContext("2d");
  if (context === null) return Promise.resolve(null);
  const { places, width, height } = placeTiles(tiles.map((tile) => ({ height: tile.height, width: Math.max(tile.width, widthOf(context, FONT, tile.label)) })));
  const wide = Math.max(width + (scale === undefined ? 0 : BAR), widthOf(context, TITLE_FONT, title), lines.reduce((sum, { label }) => sum + KEY + widthOf(context, FONT, label), 0));
  sheet.width = Math.round((wide + 2 * MARGIN) * ratio); // which sets the context back to its start
  sheet.height = Math.round((height + 2 * MARGIN + HEAD + foot) * ratio);
  const { surface, text } = pageColours();
  context.scale(ratio, ratio);
  context.fillStyle = css(surface);
  context.fillRect(0, 0, sheet.width, sheet.height);
  context.fillStyle = css(text);
  context.font = TITLE_FONT;
  context.fillText(title, MARGIN, MARGIN + 14);
  tiles.forEach((tile, place) => {
    const [x, y] = places[place] as readonly [number, number];
    const [left, top] = [MARGIN + x, MARGIN + HEAD + y];
    context.font = FONT;
    context.fillText(tile.label, left, top + 12);
    for (const canvas of tile.canvases) context.drawImage(canvas, left, top + LABEL, tile.width, tile.height);
  });
  if (scale !== undefined) drawScale(context, scale, MARGIN + width + GAP, MARGIN + HEAD + LABEL, Math.min(360, height - LABEL));
  drawLines(context, lines, MARGIN, MARGIN + HEAD + height + LINES - 8);
  return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
}

function widthOf(context: CanvasRenderingContext2D, font: string, text: string): number {
  context.font = font;
  return context.measureText(text).width;
}

function drawScale(context: CanvasRenderingContext2D, { map, low, high, unit, names }: Scale, x: number, y: number, height: number): void {
  const lut = lutOf(map);
  if (names !== undefined) return drawNames(context, names, lut, x, y);
  for (let row = 0; row < height; row += 1) {
    const at = 3 * Math.round(255 * (1 - row / Math.max(1, height - 1)));
    context.fillStyle = `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
    context.fillRect(x, y + row, 16, 1.5);
  }
  context.fillStyle = css(pageColours().text);
  context.font = FONT;
  context.fillText(`${formatNumber(high)} ${printUnit(unit)}`, x + 24, y + 10);
  context.fillText(`${formatNumber(low)} ${printUnit(unit)}`, x + 24, y + height);
}

/** A square of its colour beside the name of each value. */
function drawNames(context: CanvasRenderingContext2D, names: readonly string[], lut: Uint8Array, x: number, y: number): void {
  context.font = FONT;
  names.forEach((name, place) => {
    const at = 3 * Math.round((255 * place) / Math.max(1, names.length - 1));
    context.fillStyle = `rgb(${lut[at]} ${lut[at + 1]} ${lut[at + 2]})`;
    context.fillRect(x, y + 20 * place, 12, 12);
    context.fillStyle = css(pageColours().text);
    context.fillText(name, x + 20, y + 20 * place + 10);
  });
}

function drawLines(context: CanvasRenderingContext2D, lines: readonly Line[], x: number, y: number): void {
  let at = x;
  for (const { label, colour, isDashed } of lines) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(isDashed ? [6, 4] : []);
    context.beginPath();
    context.moveTo(at, y - 4);
    context.lineTo(at + 24, y - 4);
    context.stroke();
    context.fillStyle = css(pageColours().text);
    context.font = FONT;
    context.fillText(label, at + 30, y);
    at += KEY + context.measureText(label).width;
  }
}
