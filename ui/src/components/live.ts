/** The one socket of this tab, and how a component knows its link. */
import { useSyncExternalStore } from "react";
import { session } from "@/api/browser";
import { api, ok } from "@/api/client";
import { PATH, PROTOCOL } from "@/live/protocol";
import { type Link, LiveSocket, type SocketLike } from "@/live/socket";

const scheme = location.protocol === "https:" ? "wss:" : "ws:";

let heardAt = 0;

export const live = new LiveSocket({
  open: () => {
    const socket = new WebSocket(`${scheme}//${location.host}${PATH}`, PROTOCOL);
    socket.addEventListener("message", () => {
      heardAt = Date.now();
    });
    return socket as SocketLike;
  },
  getTicket: async () => (await ok(api.POST("/api/v1/streams/tickets", { body: {} }))).ticket,
  now: () => Date.now(),
  random: Math.random,
  setTimer: (run, delayMs) => window.setTimeout(run, delayMs),
  clearTimer: (timer) => window.clearTimeout(timer),
  isHidden: () => document.visibilityState === "hidden",
  onVisibility: (listener) => document.addEventListener("visibilitychange", listener),
});

session.subscribe(() => {
  if (session.getState() === "out") live.close();
});

/** Whether the tab is connected, and since how many attempts it is not. */
export function useLink(): Link {
  return useSyncExternalStore(live.follow, live.getLink);
}

/** When the server last said something [ms since 1970], an answer to a ping at least; 0 before. */
export function lastHeard(): number {
  return heardAt;
}

/** The packing of frames: none on this machine, where bytes cost less than unpacking. */
export const CODEC = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname) ? "none" : "deflate";
