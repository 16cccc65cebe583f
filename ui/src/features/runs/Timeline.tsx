import { Button } from "@mantine/core";
import { useMemo } from "react";
import { useKeys } from "@/components/keyboard";
import { formatNumber, formatQuantity } from "@/lib/format";
import { LANES, type LiveEvent, nextAlert, toEntry } from "./timeline";
import classes from "./run.module.css";

const MOST_MARKS = 300;

interface Props {
  readonly events: readonly LiveEvent[];
  readonly commandName: (seq: number) => string | undefined;
  /** The newest tick, and length of one [s]. */
  readonly newest: number;
  readonly tickSeconds: number;
  /** The tick of the past that is shown; absent: live. */
  readonly tick: number | undefined;
  readonly onTick: (tick: number | undefined) => void;
}

/** What happened, in lanes over one axis; a slider leads into the past, and one button back. */
export function Timeline({ events, commandName, newest, tickSeconds, tick, onTick }: Props) {
  const entries = useMemo(() => events.slice(-MOST_MARKS).map((event) => toEntry(event, commandName)), [events, commandName]);
  const end = Math.max(1, newest);
  const isPast = tick !== undefined;
  const at = Math.min(tick ?? end, end);
  const share = (place: number) => `${(100 * Math.min(place, end)) / end}%`;
  const go = (next: number) => onTick(Math.max(0, Math.min(end, Math.round(next))));
  useKeys([
    { keys: "[", does: "One tick back", run: () => go(at - 1) },
    { keys: "]", does: "One tick on", run: () => (isPast ? go(at + 1) : undefined) },
    { keys: ",", does: "The alert before", run: () => leap(nextAlert(events, at, -1)) },
    { keys: ".", does: "The alert after", run: () => leap(nextAlert(events, at, 1)) },
    { keys: "L", does: "Back to live", run: () => onTick(undefined) },
  ]);
  const leap = (found: number | undefined) => {
    if (found !== undefined) go(found);
  };
  return (
    <div className={classes["timeline"]}>
      {LANES.map((lane) => (
        <div key={lane} style={{ display: "contents" }}>
          <span className={classes["laneName"]}>{lane}</span>
          <div className={classes["lane"]} role="list" aria-label={lane}>
            {entries.filter((entry) => entry.lane === lane).map((entry) => (
              <span key={entry.n} role="listitem" style={{ position: "absolute", left: share(entry.tick) }}>
                <button
                  type="button" className={classes["entry"]} data-lane={lane} data-filled={entry.isFilled || undefined}
                  title={`tick ${formatNumber(entry.tick)}: ${entry.text}`} aria-label={`tick ${entry.tick}: ${entry.text}`}
                  onClick={() => go(entry.tick)}
                />
              </span>
            ))}
            <span className={classes["now"]} data-past={isPast || undefined} style={{ left: share(at) }} />
          </div>
        </div>
      ))}
      <Button size="compact-sm" disabled={!isPast} onClick={() => onTick(undefined)}>{isPast ? "To live" : "Live"}</Button>
      <input
        type="range" className={classes["scrub"]} aria-label="Time that is shown" min={0} max={end} step={1} value={at}
        aria-valuetext={isPast ? `past, ${formatQuantity(at * tickSeconds, "s", 6)}` : "live"}
        onChange={(event) => go(Number(event.currentTarget.value))}
      />
    </div>
  );
}
