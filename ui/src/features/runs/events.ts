/** Events that a person may send into a run: what each takes, as the engine reads it. */

export interface EventField {
  readonly name: string;
  readonly label: string;
  readonly unit: string;
  readonly value: number | null;
  readonly least?: number;
  readonly most?: number;
  readonly isOptional?: boolean;
}

export interface EventKind {
  readonly kind: string;
  readonly title: string;
  readonly what: string;
  readonly fields: readonly EventField[];
  /** Whether it takes one face, or several. */
  readonly faces?: "one" | "several";
}

const duration = (isOptional: boolean): EventField => ({
  name: "duration_s", label: "Duration", unit: "s", value: isOptional ? null : 60, least: 0, isOptional,
});

export const EVENT_KINDS: readonly EventKind[] = [
  {
    kind: "burst", title: "Burst", what: "A Gaussian heat source at the cursor. Dragging on the field does the same.",
    fields: [
      { name: "radius_m", label: "Radius", unit: "m", value: 0.05, least: 0 },
      { name: "power_w", label: "Power", unit: "W", value: 800 },
      duration(false),
    ],
  },
  {
    kind: "overload", title: "Overload", what: "Heat in the whole body.",
    fields: [{ name: "power_w", label: "Power", unit: "W", value: 1000 }, duration(true)],
  },
  {
    kind: "flow", title: "Heat through a face", what: "A heat flux into one face.", faces: "one",
    fields: [{ name: "heat_flux_w_m2", label: "Heat flux", unit: "W/m2", value: 20_000 }, duration(false)],
  },
  {
    kind: "boundary", title: "Boundary", what: "Another temperature at a face.", faces: "one",
    fields: [{ name: "law.temperature", label: "Temperature", unit: "", value: 20 }, duration(true)],
  },
  {
    kind: "cooling-loss", title: "Loss of cooling", what: "Convection and radiation at faces fall to a share.", faces: "several",
    fields: [{ name: "remaining", label: "Remaining share", unit: "", value: 0.1, least: 0, most: 1 }, duration(true)],
  },
  {
    kind: "damage", title: "Damage", what: "The whole body conducts less, is softer, or has aged.",
    fields: [
      { name: "conductivity_factor", label: "Conductivity that is left", unit: "", value: 0.5, least: 0.05, most: 1 },
      { name: "stiffness_factor", label: "Stiffness that is left", unit: "", value: 1, least: 0, most: 1 },
      { name: "damage", label: "Sum of damage", unit: "", value: 0, least: 0, most: 1 },
    ],
  },
];

/** Make the body of an event. */
export function makeEvent(
  kind: EventKind, values: Readonly<Record<string, number | null>>, faces: readonly string[], position: readonly number[],
): Record<string, unknown> {
  const event: Record<string, unknown> = { kind: kind.kind };
  for (const { name } of kind.fields) {
    const value = values[name];
    if (value === null || value === undefined) continue;
    if (name === "law.temperature") event["law"] = { type: "temperature", value };
    else event[name] = value;
  }
  if (kind.kind === "burst") event["position_m"] = position;
  if (kind.kind === "damage") event["region"] = "all";
  if (kind.faces === "one") event["face"] = faces[0];
  if (kind.faces === "several") event["faces"] = faces;
  return event;
}
