/** What of a stream of frames reaches React: at most four times a second, since pictures are drawn without it. */
import { useCallback, useRef, useSyncExternalStore } from "react";
import type { Frame } from "@/lib/frame";

/** Where a field comes from: the newest frame, and a call whenever there is another. */
export interface FrameSource {
  subscribe(listener: () => void): () => void;
  current(): Frame | null;
}

const EVERY_MS = 250;

/** Return a frame for words and figures: the one that is handed over, or that of a source, which may be some tenths of a second old. */
export function useSlowFrame(source: FrameSource | undefined, frame: Frame | null | undefined): Frame | null {
  const shown = useRef<Frame | null>(null);
  const subscribe = useCallback(
    (listener: () => void) => {
      if (source === undefined) return () => undefined;
      let timer = 0;
      let last = 0;
      const tell = () => {
        timer = 0;
        last = performance.now();
        shown.current = source.current();
        listener();
      };
      const stop = source.subscribe(() => {
        if (timer === 0) timer = window.setTimeout(tell, Math.max(0, EVERY_MS - (performance.now() - last)));
      });
      tell();
      return () => {
        stop();
        window.clearTimeout(timer);
      };
    },
    [source],
  );
  const slow = useSyncExternalStore(subscribe, () => shown.current);
  return source === undefined ? (frame ?? null) : slow;
}
