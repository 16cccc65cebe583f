/** Colour tables as style sheets write them. */
import { lutOf, type MapName } from "@/draw/luts";

const STOPS = 32;

/** A colour table as a gradient, its low end at the foot or at the left. */
export function gradientOf(map: MapName, towards: "top" | "right"): string {
  const lut = lutOf(map);
  const stops = Array.from({ length: STOPS + 1 }, (_, at) => {
    const place = 3 * Math.round((255 * at) / STOPS);
    return `rgb(${lut[place]} ${lut[place + 1]} ${lut[place + 2]})`;
  });
  return `linear-gradient(to ${towards}, ${stops.join(", ")})`;
}
