// @vitest-environment happy-dom
import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { useState } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { ProblemError, toDocument } from "@/api/problems";
import { renderPage } from "@/test/render";
import type { Scene } from "./events";
import Inject from "./Inject";
import { endEvent, sendEvent } from "./queries";
import type { LiveEvent } from "./timeline";
import type { Bursts } from "./useInjection";

vi.mock("./queries", () => ({ sendEvent: vi.fn(), endEvent: vi.fn() }));
const [send, end] = [vi.mocked(sendEvent), vi.mocked(endEvent)];
afterEach(() => {
  cleanup();
  vi.clearAllMocks();
});

const SCENE: Scene = { body: { cells: [32, 16], origin: [0, 0], size: [2, 1] }, temperatureUnit: "degC", hasStructure: false };
const NONE: LiveEvent[] = [];

function Panel({ events = NONE }: { events?: LiveEvent[] }) {
  const [bursts, setBursts] = useState<Bursts>();
  return (
    <>
      <button type="button" onClick={() => bursts?.draw([8, 4], 0.25)}>Draw</button>
      <output>{bursts?.ghosts.filter((ghost) => ghost.state === "draft").map((ghost) => `${ghost.at?.join()} ${ghost.radius}`)}</output>
      <Inject runId="run" scene={SCENE} events={events} why={undefined} onBursts={setBursts} />
    </>
  );
}

const input = (label: RegExp | string) => screen.getByLabelText(label) as HTMLInputElement;
const type = (label: RegExp | string, value: string) => fireEvent.change(input(label), { target: { value } });
const press = (name: string) => fireEvent.click(screen.getByRole("button", { name }));

it("shows what is drawn as numbers, and draws what is typed", () => {
  renderPage(<Panel />);
  press("Draw");
  expect(input(/^Radius/).value).toBe("0.25");
  expect(input("Centre x").value).toBe("0.53125");
  type("Centre x", "1");
  expect(screen.getByText(/^15.5,/)).toBeTruthy();
  type(/^Radius/, "wide");
  expect(screen.queryByText(/0.25$/)).toBeNull(); // no picture of what is no number
  expect(input(/^Radius/).value).toBe("wide");
});

it("sends nothing that is wrong, and says so at the field", () => {
  renderPage(<Panel />);
  type(/^Radius/, "0");
  press("Send");
  expect(send).not.toHaveBeenCalled();
  expect(screen.getAllByText("Must be at least 1e-9 m.").length).toBeGreaterThan(0);
  expect(document.activeElement).toBe(input(/^Radius/));
});

it("brings a refusal of the server to its field and keeps what was typed, then sends under the same id", async () => {
  const errors = [{ field: "position_m", limit: "within the body" }];
  send.mockRejectedValueOnce(new ProblemError(toDocument({ title: "wrong", errors }, 422)));
  send.mockResolvedValueOnce({ seq: 7 } as never);
  renderPage(<Panel />);
  press("Draw");
  type(/^Power/, "2 kW");
  type("Centre x", "50");
  press("Send");
  await waitFor(() => expect(screen.getByText("within the body")).toBeTruthy());
  expect(document.activeElement).toBe(input("Centre x"));
  expect(input(/^Power/).value).toBe("2 kW");
  type("Centre x", "1");
  press("Send");
  await waitFor(() => expect(screen.getByText("burst: sent, #7")).toBeTruthy());
  expect(send.mock.calls[1]?.[1]).toMatchObject({ kind: "burst", power_w: 2000, radius_m: 0.25 });
  expect(send.mock.calls[0]?.[2]).toBe(send.mock.calls[1]?.[2]);
});

it("ends what lasts until it is ended", async () => {
  send.mockResolvedValueOnce({ seq: 3 } as never);
  end.mockResolvedValueOnce({ seq: 4 } as never);
  const applied = [{ n: 1, tick: 12, step: 0, kind: "applied", payload: { seq: 3 }, origin: "engine", created_at: "" }];
  renderPage(<Panel events={applied} />);
  fireEvent.change(screen.getByLabelText("Kind of event"), { target: { value: "overload" } });
  press("Send");
  await waitFor(() => expect(screen.getByText("overload: applied at tick 12")).toBeTruthy());
  expect(send.mock.calls[0]?.[1]).toEqual({ kind: "overload", power_w: 1000, region: "all" });
  press("End it");
  await waitFor(() => expect(end).toHaveBeenCalledWith("run", 3));
  expect(screen.getByText("overload: #3 ends")).toBeTruthy();
});
