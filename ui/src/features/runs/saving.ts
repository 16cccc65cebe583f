/** What a run shows, as files: pictures with their legends, and tables. */
import { announce } from "@/components/announce";
import { fieldCsv } from "@/components/fieldFiles";
import type { FieldAxis } from "@/components/fieldPlaces";
import { saveFile, tableFile } from "@/components/files";
import { timelinePicture } from "@/components/timelinePicture";
import type { MapName } from "@/draw/luts";
import type { Frame } from "@/lib/frame";
import { formatQuantity } from "@/lib/format";
import { AXES, type Body, lengthOf } from "./geometry";
import { composePicture, type Tile } from "./pictureSheet";
import type { Span } from "./scale";
import { LANES, type LiveEvent, toEntry } from "./timeline";

/** What is shown when something is saved. */
export interface Saved {
  readonly name: string;
  readonly body: Body;
  /** Called when something is saved: the frame that is shown, as it is then. */
  readonly frame: () => Frame | null;
  /** The newest picture with all its cells, where the one that is shown is coarser because the link or the page is slow. */
  readonly whole: () => Promise<Frame>;
  readonly title: string;
  readonly unit: string;
  readonly map: MapName;
  readonly span: Span | undefined;
  /** Names of the values of a field of states. */
  readonly names: readonly string[] | undefined;
  /** Columns of the trends that are shown: heads, then values. */
  readonly trends: () => { readonly heads: readonly string[]; readonly columns: readonly Float64Array[] };
  readonly events: readonly LiveEvent[];
  readonly commandName: (seq: number) => string | undefined;
  readonly newest: number;
  readonly tickSeconds: number;
}

export type What = "field" | "trends" | "timeline";

type Make = (shown: Saved) => Promise<Blob | null> | Blob | null;

const MAKERS: Readonly<Record<What, Readonly<Record<"png" | "csv", Make>>>> = {
  field: { png: fieldShot, csv: fieldTable }, trends: { png: trendShot, csv: trendTable }, timeline: { png: timelineShot, csv: timelineTable },
};

/** Make one file and hand it to the browser. */
export async function save(shown: Saved, what: What, ending: "png" | "csv"): Promise<void> {
  const made = await MAKERS[what][ending](shown);
  if (made === null) return announce(`There is nothing of the ${what} to save yet.`);
  saveFile(`${shown.name}-${what}-tick-${shown.frame()?.tick ?? shown.newest}.${ending}`, made);
  announce(`The ${what} is saved as ${ending.toUpperCase()}.`);
}

/** The canvases of the pictures that are shown, each with what stands over it. */
function tilesOf(root: ParentNode): Tile[] {
  return [...root.querySelectorAll<HTMLElement>("[data-tile]")].flatMap((element) => {
    const canvases = [...element.querySelectorAll("canvas")];
    const label = element.dataset["tile"] ?? "";
    return canvases.length === 0 || element.clientWidth === 0 ? [] : [{ label, canvases, width: element.clientWidth, height: element.clientHeight }];
  });
}

function fieldShot({ frame, title, unit, map, span, names, name, tickSeconds }: Saved): Promise<Blob | null> | null {
  const shown = frame();
  const tiles = tilesOf(document);
  if (shown === null || span === undefined || tiles.length === 0) return null;
  const head = `${title} of ${name}, t = ${formatQuantity(shown.tick * tickSeconds, "s", 6)}, tick ${shown.tick}`;
  return composePicture(head, tiles, { map, ...span, unit, names });
}

async function fieldTable({ frame, whole, title, unit, body }: Saved): Promise<Blob | null> {
  const shown = frame();
  const all = shown !== null && shown.level > 0 ? await whole() : shown;
  return all === null ? null : fieldCsv({ ...all, unit }, title, axesOf(body, all));
}

/** The axes of a frame in metres; coarser pictures have wider cells. */
function axesOf(body: Body, frame: Frame): FieldAxis[] {
  return frame.shape.map((count, axis) => ({
    name: AXES[axis] ?? "x", unit: body.size === null ? "" : "m", count, at: "cell", origin: body.origin?.[axis] ?? 0,
    spacing: lengthOf(body, axis) / Math.max(1, count), values: null,
  }));
}

function trendShot(): Promise<Blob | null> | null {
  const [place] = document.querySelectorAll<HTMLElement>("[data-trend]");
  const canvas = place?.querySelector("canvas");
  if (place === undefined || canvas === null || canvas === undefined) return null;
  const lines = [...place.querySelectorAll<HTMLElement>("[data-line]")].map((line) => ({
    label: line.dataset["line"] ?? "", colour: getComputedStyle(line).color, isDashed: line.dataset["dash"] !== undefined,
  }));
  return composePicture(place.dataset["trend"] ?? "Trends", [{ label: "", canvases: [canvas], width: canvas.clientWidth, height: canvas.clientHeight }], undefined, lines);
}

function trendTable({ trends }: Saved): Blob | null {
  const { heads, columns } = trends();
  const rows = columns[0]?.length ?? 0;
  if (rows === 0) return null;
  return tableFile(heads, Array.from({ length: rows }, (_, row) => columns.map((column) => column[row])));
}

function timelineShot({ events, commandName, newest, tickSeconds, name }: Saved): Promise<Blob | null> | null {
  const entries = events.map((event) => toEntry(event, commandName));
  return entries.length === 0 ? null : timelinePicture(`Timeline of ${name}`, LANES, entries, newest, (tick) => formatQuantity(tick * tickSeconds, "s", 5));
}

function timelineTable({ events, commandName, tickSeconds }: Saved): Blob | null {
  if (events.length === 0) return null;
  const rows = events.map((event) => {
    const entry = toEntry(event, commandName);
    return [event.n, event.tick, Number((event.tick * tickSeconds).toPrecision(12)), entry.lane, event.kind, entry.text, event.origin, event.created_at];
  });
  return tableFile(["number", "tick", "time [s]", "lane", "kind", "what", "origin", "at"], rows);
}
