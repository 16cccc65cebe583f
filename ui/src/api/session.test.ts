import { beforeEach, describe, expect, it, vi } from "vitest";
import { readSubject, Session, type Surroundings } from "./session";

/** A browser of several tabs: one cookie, one lock, one channel, one clock. */
class Browser {
  cookie: string | undefined = "csrf-1";
  readonly asked: string[] = [];
  readonly headers: Headers[] = [];
  answers: (() => Response)[] = [];
  private readonly channels: { onmessage: ((event: MessageEvent) => void) | null }[] = [];
  private lock: Promise<unknown> = Promise.resolve();

  tab(changes: Partial<Surroundings> = {}): Session {
    const channels = this.channels;
    const channel = {
      onmessage: null as ((event: MessageEvent) => void) | null,
      postMessage(data: unknown) {
        for (const other of channels) if (other !== channel) other.onmessage?.({ data } as MessageEvent);
      },
    };
    channels.push(channel);
    return new Session({
      fetch: (path, init) => {
        this.asked.push(path.replace("/api/v1/auth/web/", ""));
        this.headers.push(new Headers(init.headers));
        const answer = this.answers.shift();
        return answer === undefined ? Promise.reject(new TypeError("Failed to fetch")) : Promise.resolve(answer());
      },
      locked: <T>(run: () => Promise<T>) => {
        const held = this.lock.then(run);
        this.lock = held.catch(() => undefined);
        return held;
      },
      channel,
      readCookie: (name) => (name === "grid_csrf_8000" ? this.cookie : undefined),
      port: "8000",
      now: () => Date.now(),
      setTimer: (run, delayMs) => setTimeout(run, delayMs) as unknown as number,
      clearTimer: (timer) => clearTimeout(timer),
      random: () => 0.5,
      onOtherUser: () => undefined,
      ...changes,
    });
  }
}

const token = (sub: string, mark = "") => `h.${btoa(JSON.stringify({ sub }))}.${mark}`;
const grants = (value: string) => () => Response.json({ access_token: value, token_type: "bearer", expires_in: 900 });
const refuses = (status: number, type = "/problems/unauthenticated") => () =>
  Response.json({ type, title: "No", detail: "No.", status }, { status });

/** Let the lock go that a refresh before this held. */
const settle = () => vi.advanceTimersByTimeAsync(100);

let browser: Browser;
beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
});

describe("start", () => {
  it("asks nothing where no cookie says that somebody was here", async () => {
    browser.cookie = undefined;
    const session = browser.tab();
    const waiting = session.getToken();
    await session.start();
    expect(session.getState()).toBe("out");
    expect(await waiting).toBeNull();
    expect(browser.asked).toEqual([]);
  });

  it("goes on with the session of the cookie, and shows the readable half of it", async () => {
    browser.answers = [grants(token("ada"))];
    const session = browser.tab();
    await session.start();
    expect(session.getState()).toBe("in");
    expect(session.getUserId()).toBe("ada");
    expect(browser.headers[0]?.get("x-csrf-token")).toBe("csrf-1");
    expect(browser.headers[0]?.get("content-type")).toBe("application/json");
  });

  it("leads to the login page where the session has ended", async () => {
    browser.answers = [refuses(401)];
    const session = browser.tab();
    await session.start();
    expect(session.getState()).toBe("out");
  });
});

describe("refresh", () => {
  it("starts before the end, in one tab of two, and the other takes its token", async () => {
    browser.answers = [grants(token("ada", "1")), grants(token("ada", "2"))];
    const [one, two] = [browser.tab({ random: () => 0 }), browser.tab({ random: () => 0 })];
    await one.start();
    expect(two.getState()).toBe("in"); // told by the channel
    await vi.advanceTimersByTimeAsync(841_000);
    expect(browser.asked).toEqual(["refresh", "refresh"]);
    expect(await one.getToken()).toBe(token("ada", "2"));
    expect(await two.getToken()).toBe(token("ada", "2"));
  });

  it("is one for all requests that were refused", async () => {
    browser.answers = [grants(token("ada", "1")), grants(token("ada", "2"))];
    const session = browser.tab();
    await session.start();
    const refused = await session.getToken();
    const fresh = Promise.all([1, 2, 3].map(() => session.replaceToken(refused)));
    await settle();
    expect(new Set(await fresh)).toEqual(new Set([token("ada", "2")]));
    expect(browser.asked).toHaveLength(2);
  });

  it("waits for the other tab's token after a 409, and tries once more where none comes", async () => {
    browser.answers = [grants(token("ada", "1")), refuses(409, "/problems/refresh-superseded"), grants(token("ada", "3"))];
    const session = browser.tab();
    await session.start();
    const fresh = session.replaceToken(await session.getToken());
    await vi.advanceTimersByTimeAsync(3_100);
    expect(await fresh).toBe(token("ada", "3"));
    expect(browser.asked).toEqual(["refresh", "refresh", "refresh"]);
  });

  it("that gets no answer keeps the session", async () => {
    browser.answers = [grants(token("ada", "1"))];
    const session = browser.tab();
    await session.start();
    await settle();
    await expect(session.replaceToken(await session.getToken())).rejects.toThrow("Failed to fetch");
    expect(session.getState()).toBe("in");
  });
});

describe("an ended session", () => {
  it("holds requests until somebody logs in over the page", async () => {
    browser.answers = [grants(token("ada", "1")), refuses(401), grants(token("ada", "2"))];
    const session = browser.tab();
    await session.start();
    const held = session.replaceToken(await session.getToken());
    await settle();
    expect(session.getState()).toBe("expired");
    await session.logIn("ada", "pass");
    expect(await held).toBe(token("ada", "2"));
    expect(session.getState()).toBe("in");
  });

  it("reloads where somebody else logs in, since nothing on the page is theirs", async () => {
    const onOtherUser = vi.fn();
    browser.answers = [grants(token("ada")), refuses(401), grants(token("bob"))];
    const session = browser.tab({ onOtherUser });
    await session.start();
    void session.replaceToken(await session.getToken());
    await settle();
    await session.logIn("bob", "pass");
    expect(onOtherUser).toHaveBeenCalledOnce();
  });
});

it("logs in by the code of a link, and out in every tab", async () => {
  browser.cookie = undefined;
  browser.answers = [grants(token("ada")), () => new Response(null, { status: 204 })];
  const [one, two] = [browser.tab(), browser.tab()];
  await Promise.all([one.start(), two.start()]);
  await one.logInByCode("c0de");
  expect(two.getState()).toBe("in");
  await two.logOut();
  expect([one.getState(), two.getState()]).toEqual(["out", "out"]);
  expect(await one.getToken()).toBeNull();
  expect(browser.asked).toEqual(["link", "logout"]);
});

it("asks nothing more after a logout", async () => {
  browser.answers = [grants(token("ada", "1")), () => new Response(null, { status: 204 })];
  const session = browser.tab();
  await session.start();
  const late = await session.getToken();
  await session.logOut();
  const answer = session.replaceToken(late);
  await settle();
  expect(await answer).toBeNull();
  expect(session.getState()).toBe("out");
  expect(browser.asked).toEqual(["refresh", "logout"]);
});

it("keeps a wrong password's problem for the form", async () => {
  browser.answers = [refuses(401)];
  const session = browser.tab();
  await expect(session.logIn("ada", "x")).rejects.toMatchObject({ status: 401 });
});

it("refuses an answer that is no token", async () => {
  browser.answers = [() => Response.json({ access_token: 5 })];
  const session = browser.tab();
  await expect(session.logIn("ada", "x")).rejects.toMatchObject({ status: 500 });
});

it("reads a subject, and nothing from what is no token", () => {
  expect(readSubject(token("ada"))).toBe("ada");
  expect(readSubject("x")).toBeNull();
  expect(readSubject("a.!!.c")).toBeNull();
  expect(readSubject(null)).toBeNull();
});
