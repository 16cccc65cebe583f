import { Button } from "@mantine/core";
import { type KeyboardEvent, type PointerEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { boxEdges, type BoxView, FIRST_VIEW, planeCorners, project, sidesOf, turn, type Vector } from "@/draw/boxView";
import { css, pageColours } from "@/draw/colours";
import { canDrawVolumes, findRenderer } from "@/draw/renderer";
import { makeVolume, type VolumePainter } from "@/draw/volume";
import { AXES, type Body, lengthOf } from "./geometry";
import { MAPS, type Picture } from "./useFieldPainter";
import type { Span } from "./scale";
import classes from "./run.module.css";

const FIRST_FLOOR = 0.25;
const EVERY_MS = 100; // between two pictures of what moves: slices show each frame
const TURN = 10; // pixels of a drag that an arrow key stands for

type Props = Omit<Picture, "slice" | "cut"> & { readonly planes: readonly number[]; readonly span?: Span | undefined; readonly stale: string | undefined };

/** The volume of a body: drag turns it, the slider makes what is low transparent. Without a graphics processor a sentence. */
export default function LiveVolume(props: Props) {
  const [isThere, setThere] = useState(() => canDrawVolumes());
  if (!isThere) {
    const { name } = findRenderer();
    return (
      <p className={classes["novolume"]}>
        The volume needs a graphics processor, and this browser {name === "" ? "has no WebGL 2" : `draws in software (${name.replace(/^ANGLE \(|\)$/g, "").slice(0, 48)})`}.
        The three planes show the same values.
      </p>
    );
  }
  return <Volume {...props} onMissing={() => setThere(false)} />;
}

function Volume(props: Props & { readonly onMissing: () => void }) {
  const { source, body, field, planes, span, locked, stale, onMissing } = props;
  const place = useRef<HTMLDivElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  const [view, setView] = useState<BoxView>(FIRST_VIEW);
  const [floor, setFloor] = useState(FIRST_FLOOR);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const painter = useRef<VolumePainter | null>(null);
  const latest = useRef({ view, floor, span: locked ?? span, isHeld: props.isHeld });
  const ask = useRef<() => void>(() => undefined);

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const canvas = document.createElement("canvas");
    const made = makeVolume(canvas);
    if (made === null) {
      onMissing();
      return undefined;
    }
    canvas.style.visibility = "hidden"; // black before the first picture
    element.prepend(canvas);
    painter.current = made;
    const sides = sidesOf(body.cells.map((_, axis) => lengthOf(body, axis)));
    let [request, timer, drawnAt] = [0, 0, 0];
    let held: ReturnType<typeof source.current> = null;
    const paint = () => {
      request = 0;
      const { view: seen, floor: least, span: ends, isHeld } = latest.current;
      const fresh = source.current();
      if (!isHeld) held = null;
      else if (fresh !== null) held ??= fresh;
      const frame = held ?? fresh;
      if (frame === null || ends === undefined) return;
      drawnAt = performance.now();
      made.draw(frame, { map: MAPS[field], ...ends, floor: least, sides, view: seen });
      canvas.style.visibility = "";
      canvas.dataset["tick"] = String(frame.tick);
    };
    const soon = () => {
      timer = 0;
      if (request === 0) request = requestAnimationFrame(paint);
    };
    const onFrame = () => {
      if (timer === 0) timer = window.setTimeout(soon, Math.max(0, drawnAt + EVERY_MS - performance.now()));
    };
    ask.current = soon;
    const stop = source.onFrame(onFrame);
    soon();
    return () => {
      stop();
      window.clearTimeout(timer);
      cancelAnimationFrame(request);
      ask.current = () => undefined;
      made.destroy();
      painter.current = null;
      canvas.remove();
    };
  }, [source, body, field, onMissing]);

  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (size.width > 0 && size.height > 0) painter.current?.resize(size.width, size.height);
  }, [size, source, body, field]);
  useLayoutEffect(() => {
    latest.current = { view, floor, span: locked ?? span, isHeld: props.isHeld };
    ask.current();
    if (over.current !== null) drawBox(over.current, size, body, view, planes);
  });

  const drag = useRef<readonly [number, number] | null>(null);
  const begin = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    drag.current = [event.clientX, event.clientY];
  };
  const move = (event: PointerEvent) => {
    if (drag.current === null) return;
    const [x, y] = drag.current;
    drag.current = [event.clientX, event.clientY];
    setView((old) => turn(old, event.clientX - x, event.clientY - y));
  };
  const end = () => {
    drag.current = null;
  };
  const zoom = (factor: number) => setView((old) => ({ ...old, zoom: Math.max(0.5, Math.min(4, old.zoom * factor)) }));
  const onKeyDown = (event: KeyboardEvent) => {
    const turns: Record<string, readonly [number, number]> = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN] };
    const step = turns[event.key];
    if (step === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    setView((old) => turn(old, ...step));
  };
  return (
    <>
      <div className={classes["slice"]}>
        <span>volume</span>
        <input
          type="range" aria-label="Transparent below" title="What lies below is transparent" min={0} max={95} value={Math.round(100 * floor)}
          aria-valuetext={`below ${Math.round(100 * floor)} % of the scale`} onChange={(event) => setFloor(Number(event.currentTarget.value) / 100)}
        />
        <Button size="compact-sm" w={26} px={0} aria-label="Closer" onClick={() => zoom(1.25)}>+</Button>
        <Button size="compact-sm" w={26} px={0} aria-label="Further away" onClick={() => zoom(0.8)}>−</Button>
      </div>
      <div
        ref={place} className={classes["volume"]} data-tile="volume" data-stale={stale !== undefined || undefined} role="application" aria-roledescription="volume" tabIndex={0}
        aria-label="The body as a volume, above a share of the scale. Arrows turn it."
        onPointerDown={begin} onPointerMove={move} onPointerUp={end} onPointerCancel={end} onKeyDown={onKeyDown}
      >
        <canvas ref={over} className={classes["box"]} />
      </div>
    </>
  );
}

/** The edges of the box, its axes by name, and the planes of the slices. */
function drawBox(canvas: HTMLCanvasElement, size: { width: number; height: number }, body: Body, view: BoxView, planes: readonly number[]): void {
  const { width, height } = size;
  const context = canvas.getContext("2d");
  if (context === null || width < 1 || height < 1) return;
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const sides = sidesOf(body.cells.map((_, axis) => lengthOf(body, axis)));
  const at = (share: Vector) => project(share, sides, view, width, height);
  const ink = css(pageColours().text);
  const line = (points: readonly Vector[], dash: readonly number[], opacity: number) => {
    context.beginPath();
    points.forEach((point, place) => (place === 0 ? context.moveTo(...at(point)) : context.lineTo(...at(point))));
    context.setLineDash([...dash]);
    context.globalAlpha = opacity;
    context.strokeStyle = ink;
    context.stroke();
  };
  for (const { from, to, isBehind } of boxEdges(view)) line([from, to], isBehind ? [3, 3] : [], isBehind ? 0.5 : 0.9);
  planes.forEach((plane, axis) => {
    const corners = planeCorners(axis, (plane + 0.5) / (body.cells[axis] ?? 1));
    line([...corners, corners[0] as Vector], [6, 4], 0.6);
  });
  context.globalAlpha = 1;
  context.fillStyle = ink;
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  for (const axis of [0, 1, 2]) {
    const end: [number, number, number] = [0, 0, 0];
    end[axis] = 1.1;
    const [x, y] = at(end);
    context.fillText(AXES[axis] ?? "", x, y + 4);
  }
}
