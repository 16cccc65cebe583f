/** Messages of the WebSocket `/api/v1/live`, subprotocol `grid.v1`, as docs/live-streams.md lists them. */

export const PROTOCOL = "grid.v1";
export const PATH = "/api/v1/live";

/** Codes with which the server closes. */
export const CLOSED_TICKET = 4401; // no good ticket in time, or the session has ended
export const CLOSED_RESTART = 1012; // the server restarts; come back after a second

export type Message =
  | { readonly type: "welcome"; readonly version: string; readonly protocol: string; readonly user: string }
  | { readonly type: "event"; readonly sub: number; readonly id: number | string; readonly kind?: string; readonly data: unknown }
  | { readonly type: "notice"; readonly sub: number | null; readonly kind: string; readonly [member: string]: unknown }
  | { readonly type: "gap"; readonly sub: number; readonly after: number | string | null; readonly next?: number }
  | { readonly type: "end"; readonly sub: number; readonly reason: string; readonly [member: string]: unknown }
  | { readonly type: "pong"; readonly t: number; readonly server: number }
  | { readonly type: "renew" };

const KINDS: ReadonlySet<string> = new Set(["welcome", "event", "notice", "gap", "end", "pong", "renew"]);

/** Read a text message; undefined for what is none of this protocol, which a later server may send. */
export function readMessage(text: string): Message | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof raw !== "object" || raw === null) return undefined;
  const type = (raw as { type?: unknown }).type;
  return typeof type === "string" && KINDS.has(type) ? (raw as Message) : undefined;
}

/** What assigns a frame to its subscription: field, number, and the first 8 bytes of the run's id. */
export interface FrameAddress {
  readonly field: number;
  readonly number: number;
  /** 16 hexadecimal digits. */
  readonly run: string;
}

const HEADER_BYTES = 96;

/** Read the address of a frame from its header; undefined where the bytes are no frame. */
export function readAddress(bytes: ArrayBuffer): FrameAddress | undefined {
  if (bytes.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(bytes);
  if (view.getUint32(0, false) !== 0x47524631) return undefined; // "GRF1"
  const digits = Array.from({ length: 8 }, (_, place) => view.getUint8(88 + place).toString(16).padStart(2, "0"));
  return { field: view.getUint8(4), number: view.getUint32(56, true), run: digits.join("") };
}

/** Fields in the order of their numbers in a frame's header. */
export const FIELDS = ["requested", "temperature", "stress", "utilisation", "damage", "state"] as const;

/** Return what a frame of this field and run has as its address. */
export function frameKey(runId: string, field: string): string {
  return `${runId.replaceAll("-", "").slice(0, 16)}:${FIELDS.indexOf(field as (typeof FIELDS)[number])}`;
}
