/** One-time login links: `/login#code=…`. */
import { session } from "@/api/browser";

let failure: unknown;

/**
 * Take the code of a login link out of the address, before anything is asked: neither the history, nor a `Referer`, nor
 * a copied address has it afterwards.
 */
export function takeCode(place: Location, history: History): string | null {
  if (place.pathname !== "/login") return null;
  const code = new URLSearchParams(place.hash.slice(1)).get("code");
  if (code === null) return null;
  history.replaceState(history.state, "", place.pathname + place.search);
  return code;
}

/** Begin a session: by the link's code where there is one, else by what this browser still has. */
export async function beginSession(): Promise<void> {
  const code = takeCode(location, history);
  try {
    if (code === null) {
      await session.start();
      return;
    }
    await session.logInByCode(code);
  } catch (error) {
    failure = error;
  }
  if (session.getState() === "starting") session.giveUp();
}

/** Return why the login by link did not work, until a login has; the login page shows it. */
export function getFailure(): unknown {
  return failure;
}

session.subscribe(() => {
  if (session.getState() === "in") failure = undefined;
});
