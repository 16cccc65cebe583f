/** What the view of a job's fields asks the server. A finished job's fields never change. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, fetchRaw, ok, type Schemas } from "@/api/client";
import type { Frame } from "@/lib/frame";
import { type NpyArray, readNpy } from "@/lib/npy";
import { decodeFrames } from "@/live/frames";

export type Field = Schemas["FieldOut"];

const MOST_CELLS = 262_144; // of a frame; larger fields come as means
const MOST_CODES = 1_500_000; // of all times together, up to which they are fetched at once
const MOST_EXACT_CELLS = 20_000; // up to which the file of exact values is fetched for a probe
const MOST_EXACT_BYTES = 32e6;
const SHORT_MS = 60_000; // for which frames are held that nothing shows

/** The fields that a job's record holds. */
export function fieldListQuery(jobId: string) {
  return queryOptions({
    queryKey: ["jobs", jobId, "fields"],
    queryFn: ({ signal }) => ok(api.GET("/api/v1/jobs/{job_id}/fields", { params: { path: { job_id: jobId } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function cellsOf(field: Field): number {
  return field.axes.reduce((product, axis) => product * axis.count, 1);
}

/** Whether all times of a field are small enough to be there at once, so that its slider needs no waiting. */
export function comesWhole(field: Field): boolean {
  return field.times.length * Math.min(cellsOf(field), MOST_CELLS) <= MOST_CODES;
}

/** Frames of a field: all of its times, or the one that is asked for. */
export function framesQuery(jobId: string, field: Field | undefined, time: number) {
  const wanted = field === undefined || comesWhole(field) ? "all" : String(time);
  return queryOptions({
    queryKey: ["jobs", jobId, "fields", field?.name ?? "", wanted],
    enabled: field !== undefined,
    queryFn: async ({ signal }): Promise<Frame[]> => {
      const query = new URLSearchParams({ time: wanted, bits: "16", max_cells: String(MOST_CELLS), codec: codecHere() });
      const name = encodeURIComponent(field?.name ?? "");
      const answer = await fetchRaw(`/api/v1/jobs/${jobId}/fields/${name}?${query}`, { signal });
      const frames = await decodeFrames(await answer.arrayBuffer());
      return frames.map((frame) => ({ ...frame, name: field?.name ?? frame.name, unit: field?.unit ?? "" }));
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: SHORT_MS,
    placeholderData: keepPreviousData,
  });
}

/** The exact values of a field, from the file beside it, for the probe: codes are up to half a step off. */
export function exactQuery(jobId: string, field: Field | undefined, isWanted: boolean) {
  return queryOptions({
    queryKey: ["jobs", jobId, "fields", field?.name ?? "", "exact"],
    enabled: isWanted && field !== undefined && cellsOf(field) <= MOST_EXACT_CELLS,
    queryFn: async ({ signal }): Promise<NpyArray | null> => {
      const files = await ok(api.GET("/api/v1/jobs/{job_id}/artifacts", { params: { path: { job_id: jobId } }, signal }));
      const file = files.items.find((item) => item.name === `${field?.name}_field.npy`);
      if (file === undefined) return null;
      const answer = await fetchRaw(file.link, { signal });
      if (Number(answer.headers.get("content-length") ?? Number.POSITIVE_INFINITY) > MOST_EXACT_BYTES) {
        await answer.body?.cancel();
        return null;
      }
      return readNpy(await answer.arrayBuffer());
    },
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: SHORT_MS,
    retry: false,
  });
}

/** Value of a cell in the file of a field; null where the file holds other times or another grid. */
export function findExact(array: NpyArray | null | undefined, field: Field, time: number, cell: number): number | null {
  if (array === null || array === undefined) return null;
  const cells = cellsOf(field);
  const [rows = 0, ...shape] = array.shape;
  const isSame = shape.join() === field.axes.map((axis) => axis.count).join();
  if (!isSame || cell >= cells) return null;
  const isLast = time === field.times.length - 1;
  if (rows !== field.times.length && !isLast) return null; // the file holds other times than the record
  return array.values[(isLast ? rows - 1 : time) * cells + cell] ?? null;
}

/** Frames are not packed where there is no network between. */
function codecHere(): "none" | "deflate" {
  return /^(localhost|127\.|\[::1\])/.test(location.hostname) ? "none" : "deflate";
}
