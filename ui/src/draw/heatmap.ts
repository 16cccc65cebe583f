/** A field of one or two axes as a heatmap on a canvas: x to the right, y up, one colour for each cell. */
import type { Frame } from "@/lib/frame";
import { makeCanvasPainter } from "./heatmap2d";
import { makeWebglPainter } from "./heatmapWebgl";
import type { MapName } from "./luts";
import type { Mark } from "./marks";
import { chosenKind, findRenderer, type PainterKind } from "./renderer";

export interface Isoline {
  readonly value: number;
  /** Drawn as two lines: the limit of utilisation. */
  readonly double?: boolean;
}

export interface Look {
  readonly map: MapName;
  /** Ends of the scale, in the field's unit; cells beyond it are hatched. */
  readonly low: number;
  readonly high: number;
  readonly isolines: readonly Isoline[];
  readonly marks: readonly Mark[];
}

export interface HeatmapPainter {
  readonly kind: PainterKind;
  draw(frame: Frame, look: Look): void;
  /** Set the size in CSS pixels; what was drawn last is drawn anew. */
  resize(width: number, height: number): void;
  /** Cell under a point of the canvas, in CSS pixels from its upper left; null where there is none. */
  pick(x: number, y: number): number[] | null;
  destroy(): void;
}

/**
 * Make the painter that suits this machine.
 *
 * @param canvas One that nothing has been drawn on; a canvas keeps its first kind of context.
 * @param prefer A kind that is tried first, for benchmarks and tests.
 */
export function makeHeatmap(canvas: HTMLCanvasElement, prefer?: PainterKind): HeatmapPainter {
  const wanted = prefer ?? chosenKind() ?? findRenderer().kind;
  const painter = (wanted === "webgl2" ? makeWebglPainter(canvas) : null) ?? makeCanvasPainter(canvas);
  canvas.dataset["painter"] = painter.kind;
  canvas.dataset["renderer"] = findRenderer().name;
  return painter;
}
