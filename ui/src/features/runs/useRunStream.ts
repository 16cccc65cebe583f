/** The stream of a run while a component shows it, and what React shows of it. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { CODEC, live } from "@/components/live";
import { frameWorker } from "@/live/decoder";
import type { FieldName } from ".";
import { PastFrames } from "./past";
import { fetchEvents, fetchHistory, fetchPast } from "./queries";
import { RunStream } from "./stream";

const HISTORY_POINTS = 1_200;

const now = () => Date.now();
const isHidden = () => document.visibilityState === "hidden";

export function useRunStream(runId: string): RunStream {
  const lane = useMemo(() => frameWorker.open(), []);
  const stream = useMemo(
    () =>
      new RunStream(runId, {
        socket: live, codec: CODEC, decode: lane.decode, fetchEvents, now, isHidden,
        fetchHistory: async (id) => {
          const found = await fetchHistory(id, HISTORY_POINTS);
          return { end_tick: found.end_tick, time_s: found.time_s, metrics: found.metrics as never };
        },
      }),
    [runId, lane],
  );
  useEffect(() => stream.start(), [stream]);
  useEffect(() => () => lane.close(), [lane]);
  return stream;
}

export function useFigures(stream: RunStream) {
  return useSyncExternalStore(stream.follow, stream.getFigures);
}

export function useEvents(stream: RunStream) {
  return useSyncExternalStore(stream.follow, stream.getEvents);
}

/** Pictures of the past of a run. */
export function usePast(runId: string): PastFrames {
  const lane = useMemo(() => frameWorker.open(), []);
  useEffect(() => () => lane.close(), [lane]);
  return useMemo(
    () => new PastFrames(async (field, tick, signal) => lane.decode(await fetchPast(runId, field as FieldName, tick, CODEC, signal))),
    [runId, lane],
  );
}
