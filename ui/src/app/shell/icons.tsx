/** Drawn for this page on a grid of 16, one stroke width, so that the rail reads evenly. */
import type { Place } from "./places";

const PATHS: Record<Place["to"], string> = {
  "/": "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
  "/jobs": "M2.5 4h1M2.5 8h1M2.5 12h1M6 4h7.5M6 8h7.5M6 12h7.5",
  "/sweeps": "M3 13V3M8 13V3M13 13V3M3 10.5 8 5l5 5M3 6l5 5.5L13 4",
  "/compare": "M2.5 3h4.5v10H2.5zM9 3h4.5v10H9z",
  "/runs": "M1.5 8h3l2-5 3 10 2-5h3",
  "/scenarios": "M2.5 3.5h11v9h-11zM6.8 6v4l3.2-2z",
  "/alerts": "M8 2.2 14.2 13H1.8zM8 6.5v3M8 11v.6",
  "/incidents": "M4 2.5v11M4 3h8.5l-2 2.75 2 2.75H4",
  "/rules": "M2 10h12M2 5.5c2 0 2.5 7 5 7s3-9 7-9",
  "/system": "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.1M5 11h.1",
  "/users": "M8 2.5a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2zM2.8 13.5c.4-2.6 2.5-3.8 5.2-3.8s4.8 1.2 5.2 3.8",
};

export function PlaceIcon({ to }: { to: Place["to"] }) {
  return <Icon path={PATHS[to]} />;
}

export function Icon({ path }: { path: string }) {
  return (
    <svg
      viewBox="0 0 16 16" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.4"
      strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false"
    >
      <path d={path} />
    </svg>
  );
}
