/** The one session of this tab, in a browser. */
import { Session } from "./session";

export const session = new Session({
  fetch: (path, init) => fetch(path, init),
  locked: async (run) =>
    "locks" in navigator ? await navigator.locks.request("grid-refresh", run) : run(), // no secure context, no locks
  channel: new BroadcastChannel("grid-session"),
  readCookie,
  port: location.port === "" ? (location.protocol === "https:" ? "443" : "80") : location.port,
  now: () => Date.now(),
  setTimer: (run, delayMs) => window.setTimeout(run, delayMs),
  clearTimer: (timer) => window.clearTimeout(timer),
  random: Math.random,
  onOtherUser: () => location.reload(),
});

function readCookie(name: string): string | undefined {
  const pair = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return pair === undefined ? undefined : decodeURIComponent(pair.slice(name.length + 1));
}
