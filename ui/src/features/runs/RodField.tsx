import { useEffect, useRef, useState, type PointerEvent } from "react";
import { asProblem } from "@/api/problems";
import { makeHeatmap, type HeatmapPainter } from "@/draw/heatmap";
import { makeProfile } from "@/draw/profile";
import { SpaceTime } from "@/draw/spaceTime";
import { formatQuantity } from "@/lib/format";
import { decodeFrames } from "@/live/frames";
import type { FieldName } from ".";
import { drawnAxes } from "./geometry";
import { LiveField, type LiveFieldProps } from "./LiveField";
import { fetchSpan } from "./queries";
import { MAPS, type FieldSource } from "./useFieldPainter";
import type { Span } from "./scale";
import classes from "./run.module.css";

const COLUMNS = 240;
const FETCHED = 100; // frames of the time before the page was opened
const EVERY_MS = 250;
const SLOW_MS = 1_000; // without an answer: it is told that one is waited for
const LEGEND = 96;

interface Props extends LiveFieldProps {
  readonly runId: string;
  readonly newest: number;
  readonly stored: number;
  readonly tick: number | undefined;
  readonly onTick: (tick: number | undefined) => void;
  /** Where frames come from while the past is shown, too. */
  readonly liveSource: FieldSource;
  readonly tickSeconds: number;
  readonly span?: Span | undefined;
}

/** A rod: its profile now, and below it what it was over time, on the same scale. */
export default function RodField(props: Props) {
  return (
    <div className={classes["rod"]}>
      <LiveField {...props} makePainter={makeProfile} />
      <Course {...props} />
    </div>
  );
}

/** Place over time; a press or a drag shows the past there. */
function Course({ runId, body, field, span, locked, newest, stored, tick, onTick, liveSource, tickSeconds, thresholds, unit }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const painter = useRef<HeatmapPainter | null>(null);
  const { columns: course, word } = useCourse(runId, field, liveSource, stored, tick === undefined);
  const axis = drawnAxes(body.cells, undefined).across;
  const rows = body.cells[axis] ?? 1;
  const [room, setRoom] = useState({ width: 0, height: 0 });
  const ends = locked ?? span;
  const latest = useRef({ ends, newest, thresholds });
  useEffect(() => {
    latest.current = { ends, newest, thresholds };
  });

  useEffect(() => {
    const element = holder.current;
    if (element === null) return undefined;
    const canvas = document.createElement("canvas");
    canvas.style.visibility = "hidden"; // black before the first picture
    element.prepend(canvas);
    const made = makeHeatmap(canvas, "canvas2d");
    painter.current = made;
    let drawn = "";
    const draw = () => {
      const { ends: scale, newest: end, thresholds: lines } = latest.current;
      const key = JSON.stringify([course.version, scale, lines, element.clientWidth, element.clientHeight]);
      if (scale === undefined || key === drawn || document.visibilityState === "hidden") return;
      const frame = course.toFrame(scale.low, scale.high, end, rows);
      if (frame === null) return;
      drawn = key;
      canvas.style.visibility = "";
      made.draw(frame, { map: MAPS[field], ...scale, isolines: lines.filter((value) => value > scale.low && value < scale.high).map((value) => ({ value })), marks: [] });
    };
    const measure = () => {
      const size = { width: element.clientWidth, height: element.clientHeight };
      setRoom(size);
      if (size.width > 0 && size.height > 0) made.resize(size.width, size.height);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    const timer = window.setInterval(draw, EVERY_MS);
    return () => {
      window.clearInterval(timer);
      observer.disconnect();
      made.destroy();
      painter.current = null;
      canvas.remove();
    };
  }, [course, field, rows]);

  const scrub = (event: PointerEvent<HTMLDivElement>) => {
    if (event.type === "pointermove" && event.buttons === 0) return;
    if (event.type === "pointerdown") event.currentTarget.setPointerCapture(event.pointerId);
    const box = event.currentTarget.getBoundingClientRect();
    const share = Math.max(0, Math.min(1, (event.clientX - box.left) / Math.max(1, box.width)));
    onTick(Math.round(share * newest));
  };
  const at = Math.min(1, (tick ?? newest) / Math.max(1, newest));
  return (
    <div className={classes["course"]} style={{ paddingRight: LEGEND + 12 }}>
      <div
        ref={holder} className={classes["ground"]} data-tile="over time" role="img"
        aria-label={`Place over time, 0 to ${formatQuantity(newest * tickSeconds, "s", 5)}, on the scale of the profile${unit === "" ? "" : ` in ${unit}`}. The slider below leads into the past.`}
        onPointerDown={scrub} onPointerMove={scrub}
      >
        <span className={classes["now"]} data-past={tick !== undefined || undefined} style={{ left: Math.min(room.width - 1, at * room.width) }} />
      </div>
      <p className={classes["foot"]} style={{ margin: 0 }}>
        <span>0</span>
        <span>{word ?? "place upwards, time to the right: press to look at the past"}</span>
        <span>{formatQuantity(newest * tickSeconds, "s", 5)}</span>
      </p>
    </div>
  );
}

/**
 * Columns of the past, and of each frame that comes, at most four a second. The past is fetched when the page opens and
 * when it is live again, since no frame came meanwhile.
 */
function useCourse(runId: string, field: FieldName, source: FieldSource, stored: number, isLive: boolean): { columns: SpaceTime; word: string | undefined } {
  const [word, setWord] = useState<string>();
  const [course, setCourse] = useState(() => ({ key: `${runId} ${field}`, columns: new SpaceTime(COLUMNS) }));
  const key = `${runId} ${field}`;
  if (course.key !== key) setCourse({ key, columns: new SpaceTime(COLUMNS) });
  const { columns } = course;
  const isKnown = stored > 0;
  const until = useRef(stored);
  useEffect(() => {
    until.current = stored;
  });
  useEffect(() => {
    if (!isKnown || (!isLive && columns.length > 0)) return undefined;
    const stop = new AbortController();
    const end = until.current;
    const late = window.setTimeout(() => setWord("what was before is computed again"), SLOW_MS);
    void fetchSpan(runId, field, end, Math.min(FETCHED, end + 1), stop.signal)
      .then(decodeFrames)
      .then((frames) => {
        columns.add(frames);
        setWord(undefined);
      })
      .catch((error: unknown) => stop.signal.aborted || setWord(`what was before is not known: ${asProblem(error).detail}`))
      .finally(() => window.clearTimeout(late));
    return () => {
      stop.abort();
      window.clearTimeout(late);
    };
  }, [runId, field, columns, isKnown, isLive]);
  useEffect(() => {
    let takenAt = 0;
    return source.onFrame(() => {
      const frame = source.current();
      const now = performance.now();
      if (frame === null || frame.name !== field || now - takenAt < EVERY_MS) return;
      takenAt = now;
      columns.add([frame]);
    });
  }, [source, field, columns]);
  return { columns, word };
}
