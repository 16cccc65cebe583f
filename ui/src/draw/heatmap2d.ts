/** The painter for machines without a graphics processor: one pixel of the picture for each of CSS, in plain memory. */
import { type Frame, scaleOf } from "@/lib/frame";
import { css, onColours, pageColours } from "./colours";
import type { HeatmapPainter, Look } from "./heatmap";
import { findIsoline } from "./isolines";
import { lutOf } from "./luts";
import { HALO_WIDTH, LINE_WIDTH, markPlace, markSegments } from "./marks";
import { pickCell } from "./pick";
import { planeSize } from "./planes";

const HATCH = 6; // CSS pixels from line to line

export function makeCanvasPainter(canvas: HTMLCanvasElement): HeatmapPainter {
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  let [width, height] = [canvas.width, canvas.height];
  let shown: { frame: Frame; look: Look } | null = null;
  let image: ImageData | null = null;
  let table: { key: string; colours: Uint32Array; beyond: Uint8Array } | null = null;
  let painted = 0; // serial of the frame that the image holds, in the colours of the table

  const draw = (frame: Frame, look: Look) => {
    shown = { frame, look };
    if (context === null || width < 1 || height < 1) return;
    if (image === null || image.width !== width || image.height !== height) {
      image = context.createImageData(width, height);
      painted = 0;
    }
    const key = `${look.map} ${look.low} ${look.high} ${frame.low} ${frame.high} ${frame.bits} ${frame.masked} ${pageColours().page.join()}`;
    if (table?.key !== key) {
      table = { key, ...makeTable(frame, look) };
      painted = 0;
    }
    const { changed } = frame;
    const isNext = painted > 0 && changed !== null && changed?.since === painted;
    if (!isNext) paintCells(image, frame, table.colours, table.beyond);
    else if (changed.end > changed.first) paintCells(image, frame, table.colours, table.beyond, changed.first, changed.end);
    painted = frame.serial ?? 0;
    context.putImageData(image, 0, 0);
    drawIsolines(context, frame, look, width, height);
    drawMarks(context, frame, look, width, height);
  };
  const stop = onColours(() => shown !== null && draw(shown.frame, shown.look));
  return {
    kind: "canvas2d",
    draw,
    resize(wide, high) {
      [width, height] = [Math.max(1, Math.round(wide)), Math.max(1, Math.round(high))];
      if (canvas.width === width && canvas.height === height) return;
      [canvas.width, canvas.height] = [width, height];
      if (shown !== null) draw(shown.frame, shown.look);
    },
    pick: (x, y) => pickCell(shown?.frame.shape, width, height, x, y),
    destroy() {
      stop();
      shown = image = table = null;
    },
  };
}

/** Colour of each code as the bytes of a pixel, and whether its value lies beyond the scale. */
export function makeTable(frame: Frame, look: Look): { colours: Uint32Array; beyond: Uint8Array } {
  const lut = lutOf(look.map);
  const count = 2 ** frame.bits;
  const colours = new Uint32Array(count);
  const beyond = new Uint8Array(count);
  const step = scaleOf(frame);
  const span = look.high - look.low;
  const pixel = (red: number, green: number, blue: number) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  for (let code = 0; code < count; code += 1) {
    const value = frame.low + step * code;
    const place = span > 0 ? Math.floor(((value - look.low) / span) * 256) : 128;
    const at = 3 * Math.max(0, Math.min(255, place));
    colours[code] = pixel(lut[at] as number, lut[at + 1] as number, lut[at + 2] as number);
    beyond[code] = value < look.low - 0.5 * step || value > look.high + 0.5 * step ? 1 : 0;
  }
  if (frame.masked !== null) {
    colours[frame.masked] = pixel(...pageColours().page);
    beyond[frame.masked] = 0;
  }
  return { colours, beyond };
}

const BLOCK = 16; // pixels of a line of a processor's cache: columns of cells are read side by side, each in its order

/**
 * Fill a picture: each pixel with the colour of the cell under its centre.
 *
 * @param first The first cell along x whose pixels are filled; others keep what they have.
 * @param end The cell behind the last.
 */
export function paintCells(
  image: ImageData, frame: Frame, colours: Uint32Array, beyond: Uint8Array, first = 0, end = Number.POSITIVE_INFINITY,
): void {
  const { width, height } = image;
  const { codes } = frame;
  const [columns, rows] = planeSize(frame.shape);
  const pixels = new Uint32Array(image.data.buffer, image.data.byteOffset, width * height);
  const starts = placesOf(width, columns); // cell along x of each pixel
  const places = placesOf(height, rows); // row, counted from below, of each line of pixels counted from below
  const from = Math.max(0, lowerBound(starts, first));
  const to = Math.min(width, lowerBound(starts, end));
  const isHatched = beyond.includes(1) && hasBeyond(frame, beyond);
  const hatch = ((255 << 24) | 0x808080) >>> 0;
  for (let left = from; left < to; left += BLOCK) {
    const right = Math.min(to, left + BLOCK);
    for (let y = 0; y < height; y += 1) {
      const row = places[height - 1 - y] as number;
      const line = y * width;
      if (isHatched) {
        for (let x = left; x < right; x += 1) {
          const code = codes[(starts[x] as number) * rows + row] as number;
          pixels[line + x] = beyond[code] === 1 && (x + y) % HATCH < 2 ? hatch : (colours[code] as number);
        }
      } else {
        for (let x = left; x < right; x += 1) {
          pixels[line + x] = colours[codes[(starts[x] as number) * rows + row] as number] as number;
        }
      }
    }
  }
}

/** Whether a cell of the frame lies beyond the scale, where its extremes say so; else that is not ruled out. */
function hasBeyond({ extremes }: Frame, beyond: Uint8Array): boolean {
  return extremes === undefined || beyond[extremes.least] === 1 || beyond[extremes.most] === 1;
}

const known = new Map<string, Uint16Array>();
const MOST_KNOWN = 16;

/** The cell under the centre of each pixel of a side. */
function placesOf(pixels: number, cells: number): Uint16Array {
  const key = `${pixels} ${cells}`;
  let places = known.get(key);
  if (places === undefined) {
    if (known.size >= MOST_KNOWN) known.clear();
    places = Uint16Array.from({ length: pixels }, (_, at) => Math.floor(((at + 0.5) / pixels) * cells));
    known.set(key, places);
  }
  return places;
}

/** The first place whose value is not below some value, in values that do not fall. */
function lowerBound(values: Uint16Array, least: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] as number) < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function drawIsolines(context: CanvasRenderingContext2D, frame: Frame, look: Look, width: number, height: number): void {
  const [columns, rows] = planeSize(frame.shape);
  const { surface, text } = pageColours();
  for (const { value, double = false } of look.isolines) {
    const segments = findIsoline(frame, value);
    context.beginPath();
    const [wide, high] = [width / columns, height / rows];
    for (let at = 0; at < segments.length; at += 4) {
      context.moveTo((segments[at] as number) * wide, height - (segments[at + 1] as number) * high);
      context.lineTo((segments[at + 2] as number) * wide, height - (segments[at + 3] as number) * high);
    }
    stroke(context, css(surface), double ? 7 : 3.5);
    if (double) stroke(context, css(text), 5);
    stroke(context, double ? css(surface) : css(text), double ? 2 : 1.5);
  }
}

function drawMarks(context: CanvasRenderingContext2D, frame: Frame, look: Look, width: number, height: number): void {
  const [columns, rows] = planeSize(frame.shape);
  const { surface, text } = pageColours();
  for (const mark of look.marks) {
    const x = markPlace(mark.x, columns, width);
    const y = height - markPlace(mark.y, rows, height);
    const segments = markSegments(mark.kind);
    context.beginPath();
    for (let at = 0; at < segments.length; at += 4) {
      context.moveTo(x + (segments[at] as number), y + (segments[at + 1] as number));
      context.lineTo(x + (segments[at + 2] as number), y + (segments[at + 3] as number));
    }
    stroke(context, css(surface), HALO_WIDTH);
    stroke(context, css(text), LINE_WIDTH);
  }
}

function stroke(context: CanvasRenderingContext2D, colour: string, width: number): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = "round";
  context.stroke();
}
