/** The stream of a run while a component shows it, and what React shows of it. */
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { CODEC, live } from "@/components/live";
import { decodeFrames } from "@/live/frames";
import type { Frame } from "@/lib/frame";
import type { FieldName } from ".";
import { PastFrames } from "./past";
import { fetchEvents, fetchHistory, fetchPast } from "./queries";
import { RunStream } from "./stream";

const HISTORY_POINTS = 1_200;

const now = () => Date.now();

async function decodeOne(bytes: ArrayBuffer): Promise<Frame> {
  const [frame] = await decodeFrames(bytes);
  if (frame === undefined) throw new Error("The server sent no frame.");
  return frame;
}

export function useRunStream(runId: string): RunStream {
  const stream = useMemo(
    () =>
      new RunStream(runId, {
        socket: live, codec: CODEC, decode: decodeOne, fetchEvents, now,
        fetchHistory: async (id) => {
          const found = await fetchHistory(id, HISTORY_POINTS);
          return { end_tick: found.end_tick, time_s: found.time_s, metrics: found.metrics as never };
        },
      }),
    [runId],
  );
  useEffect(() => stream.start(), [stream]);
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
  return useMemo(
    () => new PastFrames(async (field, tick, signal) => decodeOne(await fetchPast(runId, field as FieldName, tick, CODEC, signal))),
    [runId],
  );
}
