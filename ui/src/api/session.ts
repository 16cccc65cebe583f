/**
 * Who is logged in, over all tabs of one browser.
 *
 * The access token lives in memory alone; the refresh token is in a cookie that no script can read. One tab at a time
 * refreshes, under a lock that all tabs share, and tells the others, since a refresh token can be used once only.
 */
import { ProblemError, readProblem, toDocument } from "./problems";

export type SessionState =
  | "starting" // nothing is known yet
  | "out" // nobody is logged in: the login page
  | "in"
  | "expired"; // somebody was logged in, and may go on over the page that is open

interface TokenAnswer {
  readonly access_token: string;
  readonly expires_in: number;
}

type Message =
  | { readonly kind: "token"; readonly token: string; readonly expiresAt: number }
  | { readonly kind: "out" };

/** What a session needs from a browser; tests give their own. */
export interface Surroundings {
  readonly fetch: (path: string, init: RequestInit) => Promise<Response>;
  /** Run under the lock of all tabs; where there is none (plain http from afar), just run. */
  readonly locked: <T>(run: () => Promise<T>) => Promise<T>;
  readonly channel: Pick<BroadcastChannel, "postMessage"> & { onmessage: ((event: MessageEvent) => void) | null };
  readonly readCookie: (name: string) => string | undefined;
  readonly port: string;
  readonly now: () => number;
  readonly setTimer: (run: () => void, delayMs: number) => number;
  readonly clearTimer: (timer: number) => void;
  readonly random: () => number;
  /** Called where another tab has logged in somebody else: nothing on this page is theirs. */
  readonly onOtherUser: () => void;
}

const AUTH = "/api/v1/auth/web";
const BEFORE_END_MS = 60_000; // a refresh starts so long before the access token ends
const SPREAD_MS = 10_000; // tabs start at different moments, so that one finds the other's token
const SHORTEST_MS = 5_000;
const HOLD_MS = 50; // the lock is kept so long after a refresh
const SUPERSEDED_WAIT_MS = 3_000; // for another tab's message after a 409

export class Session {
  private state: SessionState = "starting";
  private token: string | null = null;
  private expiresAt = 0;
  private renewal: Promise<boolean> | null = null;
  private timer = 0;
  private readonly listeners = new Set<() => void>();
  private readonly tokenWaiters = new Set<() => void>();

  constructor(private readonly around: Surroundings) {
    around.channel.onmessage = (event: MessageEvent) => this.hear(event.data as Message);
  }

  /** Subscribe to changes of the state; returns how to end that. For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getState = (): SessionState => this.state;

  /** The identifier of the user that is logged in, from the access token; null where there is none. */
  readonly getUserId = (): string | null => readSubject(this.token);

  /** Find out whether this browser is still logged in. Without the readable cookie nothing is asked. */
  async start(): Promise<void> {
    if (this.csrf() === undefined) {
      this.become("out");
      return;
    }
    await this.renew();
    if (this.state === "starting") this.become("out");
  }

  /** Take nobody for logged in, where the session could not begin. */
  giveUp(): void {
    this.become("out");
  }

  async logIn(username: string, password: string): Promise<void> {
    this.accept(await this.ask("login", { username, password }));
  }

  /** Log in with the code of a one-time link. */
  async logInByCode(code: string): Promise<void> {
    this.accept(await this.ask("link", { code }));
  }

  /** End the session on the server and in every tab. */
  async logOut(): Promise<void> {
    try {
      await this.ask("logout", {});
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status !== 401) throw error; // 401: it had ended before
    }
    this.around.channel.postMessage({ kind: "out" } satisfies Message);
    this.forget("out");
  }

  /** Return the access token to send, waiting for one where a login or a refresh is under way. */
  async getToken(): Promise<string | null> {
    if (this.state === "expired" || this.state === "starting") await this.waitForToken();
    if (this.token !== null && this.around.now() >= this.expiresAt) await this.renewOrWait();
    return this.token;
  }

  /**
   * Answer a 401: get another token than the one that was refused, by one refresh for all requests; where that fails,
   * wait until somebody has logged in over the page. Returns null after a logout.
   */
  async replaceToken(refused: string | null): Promise<string | null> {
    if (this.token !== null && this.token !== refused) return this.token;
    await this.renewOrWait();
    return this.token;
  }

  private async renewOrWait(): Promise<void> {
    if (!(await this.renew()) && this.state === "expired") await this.waitForToken();
  }

  /** Refresh once for all that wait; true where there is a token afterwards, false where the session has ended. */
  private renew(): Promise<boolean> {
    const before = this.token;
    this.renewal ??= new Promise<boolean>((resolve, reject) => {
      const run = async () => {
        const renewed = this.renewNow(before);
        renewed.then(resolve, reject);
        await renewed.catch(() => false);
        await this.pause(HOLD_MS); // the next tab gets the lock after it has heard of the token
      };
      this.around.locked(run).catch(reject);
    }).finally(() => {
      this.renewal = null;
    });
    return this.renewal;
  }

  private async renewNow(before: string | null, isSecondTry = false): Promise<boolean> {
    if (this.state === "out") return false;
    if (this.token !== null && this.token !== before) return true; // another tab was quicker
    try {
      this.accept(await this.ask("refresh", {}));
      return true;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error; // no answer: the session may well be alive
      if (error.status === 409 && !isSecondTry) {
        return (await this.hearsOfToken(SUPERSEDED_WAIT_MS)) || this.renewNow(before, true);
      }
      if (error.status >= 500 || error.status === 429) throw error;
      this.forget(this.state === "starting" ? "out" : "expired");
      return false;
    }
  }

  private async ask(what: string, body: object): Promise<TokenAnswer | null> {
    const csrf = this.csrf();
    const response = await this.around.fetch(`${AUTH}/${what}`, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      headers: { "content-type": "application/json", ...(csrf === undefined ? {} : { "x-csrf-token": csrf }) },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw await readProblem(response);
    if (response.status === 204) return null;
    const answer = (await response.json()) as TokenAnswer;
    if (typeof answer.access_token !== "string" || typeof answer.expires_in !== "number") {
      throw new ProblemError(toDocument({ title: "The server's answer cannot be read" }, 500));
    }
    return answer;
  }

  private accept(answer: TokenAnswer | null): void {
    if (answer === null) return;
    const expiresAt = this.around.now() + answer.expires_in * 1000;
    const message: Message = { kind: "token", token: answer.access_token, expiresAt };
    this.around.channel.postMessage(message);
    this.take(answer.access_token, expiresAt);
  }

  private take(token: string, expiresAt: number): void {
    const before = this.getUserId();
    this.token = token;
    this.expiresAt = expiresAt;
    this.schedule();
    this.become("in");
    if (before !== null && before !== this.getUserId()) this.around.onOtherUser();
  }

  private hear(message: Message): void {
    if (message.kind === "out") {
      this.forget("out");
    } else if (message.expiresAt > this.around.now()) {
      this.take(message.token, message.expiresAt);
    }
  }

  private forget(state: SessionState): void {
    if (state === "out") this.token = null; // an expired one still says who was here
    this.expiresAt = 0;
    this.around.clearTimer(this.timer);
    this.become(state);
  }

  private schedule(): void {
    this.around.clearTimer(this.timer);
    const left = this.expiresAt - this.around.now() - BEFORE_END_MS;
    const delay = Math.max(SHORTEST_MS, left) + this.around.random() * SPREAD_MS;
    this.timer = this.around.setTimer(() => {
      this.renew().catch(() => this.schedule()); // no answer: once more later; a request that needs it asks itself
    }, delay);
  }

  private waitForToken(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.tokenWaiters.delete(wake);
        resolve();
      };
      this.tokenWaiters.add(wake);
    });
  }

  private hearsOfToken(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = () => {
        this.around.clearTimer(timer);
        this.tokenWaiters.delete(wake);
        resolve(this.token !== null);
      };
      const timer = this.around.setTimer(() => {
        this.tokenWaiters.delete(wake);
        resolve(false);
      }, withinMs);
      this.tokenWaiters.add(wake);
    });
  }

  private pause(durationMs: number): Promise<void> {
    return new Promise((resolve) => void this.around.setTimer(resolve, durationMs));
  }

  private csrf(): string | undefined {
    return this.around.readCookie(`grid_csrf_${this.around.port}`);
  }

  private become(state: SessionState): void {
    const isNew = this.state !== state;
    this.state = state;
    if (state !== "expired") for (const wake of [...this.tokenWaiters]) wake();
    if (isNew) for (const listener of [...this.listeners]) listener();
  }
}

/** Read the subject of a JSON Web Token, unverified: the page only compares it. */
export function readSubject(token: string | null): string | null {
  const part = token?.split(".")[1];
  if (part === undefined) return null;
  try {
    const claims = JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/"))) as { sub?: unknown };
    return typeof claims.sub === "string" ? claims.sub : null;
  } catch {
    return null;
  }
}
