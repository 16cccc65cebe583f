/** What happened, in lanes over time, as a picture for a file. */
import { css, pageColours } from "@/draw/colours";
import { roundTicks } from "@/draw/ticks";

export interface LaneEntry {
  readonly lane: string;
  readonly tick: number;
  readonly text: string;
  readonly isFilled: boolean;
}

const [MARGIN, HEAD, LANE, NAMES, WIDTH, ROW] = [16, 32, 28, 96, 720, 18]; // CSS pixels
const MOST_LISTED = 40;
const RATIO = 2;

/** Draw lanes with a mark for each entry, and the newest entries as a list below; null where there is no canvas. */
export function timelinePicture(
  title: string, lanes: readonly string[], entries: readonly LaneEntry[], end: number, timeText: (tick: number) => string,
): Promise<Blob | null> {
  const listed = entries.slice(-MOST_LISTED);
  const [width, lanesEnd] = [NAMES + WIDTH + 2 * MARGIN, MARGIN + HEAD + lanes.length * LANE];
  const height = lanesEnd + 32 + listed.length * ROW + MARGIN;
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [width * RATIO, height * RATIO];
  const context = sheet.getContext("2d");
  if (context === null) return Promise.resolve(null);
  const { surface, text } = pageColours();
  context.scale(RATIO, RATIO);
  context.fillStyle = css(surface);
  context.fillRect(0, 0, width, height);
  context.fillStyle = context.strokeStyle = css(text);
  context.font = "600 14px system-ui, sans-serif";
  context.fillText(title, MARGIN, MARGIN + 14);
  context.font = "12px system-ui, sans-serif";
  const xOf = (tick: number) => MARGIN + NAMES + (WIDTH * Math.min(tick, end)) / Math.max(1, end);
  lanes.forEach((lane, place) => {
    const y = MARGIN + HEAD + place * LANE + LANE / 2;
    context.fillText(lane, MARGIN, y + 4);
    context.globalAlpha = 0.25;
    context.fillRect(MARGIN + NAMES, y, WIDTH, 1);
    context.globalAlpha = 1;
    for (const entry of entries.filter((one) => one.lane === lane)) {
      context.beginPath();
      context.arc(xOf(entry.tick), y, 4, 0, 2 * Math.PI);
      if (entry.isFilled) context.fill();
      else context.stroke();
    }
  });
  context.textAlign = "center";
  for (const tick of roundTicks(0, Math.max(1, end), 6)) {
    context.fillRect(xOf(tick), lanesEnd, 1, 5);
    context.fillText(timeText(tick), xOf(tick), lanesEnd + 18);
  }
  context.textAlign = "left";
  listed.forEach((entry, row) => {
    const line = `tick ${entry.tick}, ${entry.lane}: ${entry.text}`;
    context.fillText(line, MARGIN, lanesEnd + 44 + row * ROW, width - 2 * MARGIN);
  });
  return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
}
