/** What a chart of points shows; `charts.ts`, which draws it, is loaded when the first is shown. */
import type { EChartsType } from "echarts/core";

export type Chart = EChartsType;

export interface Axis {
  readonly title: string;
  readonly isLog: boolean;
}

export interface Line {
  readonly label: string;
  /** x, y and the row of the point. */
  readonly data: readonly (readonly [number, number, number])[];
}

export interface Picture {
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
  /** x and row of points that failed: hollow, at the foot. */
  readonly failed: readonly (readonly [number, number])[];
  readonly low: number;
  readonly tooltip: (row: number) => string;
}

/** Lengths of dashes and gaps, after each five colours another; none: a whole line. */
export const DASHES: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [8, 3, 2, 3], [2, 2]];

/** What `charts.ts` gives. */
export interface Charts {
  readonly makeChart: (element: HTMLElement) => Chart;
  readonly drawChart: (chart: Chart, picture: Picture, token: (name: string) => string) => void;
  readonly drawRings: (chart: Chart, canvas: HTMLCanvasElement, places: readonly (readonly [number, number])[], colour: string) => void;
}
