// @vitest-environment happy-dom
import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider } from "@tanstack/react-router";
import { afterEach, expect, it, vi } from "vitest";
import { renderPage } from "@/test/render";
import { AlertDetail } from "./AlertDetail";
import { endSilence } from "./queries";

const SERVER = vi.hoisted(() => ({
  silence: "s-1" as string | null,
  asked: 0,
}));
vi.mock("./queries", () => ({
  silencesQuery: { queryKey: ["silences"] },
  alertQuery: (id: string) => ({
    queryKey: ["alerts", id],
    queryFn: () => {
      SERVER.asked += 1;
      return Promise.resolve({
        id, run: "r-1", rule: "too hot", state: "firing", silence: SERVER.silence, acknowledged_at: null, severity: "high", summary: "It is hot.",
        explain: [], transitions: [], metric: "highest", value: 71, threshold: 60, first_tick: 1, fired_tick: 2, fired_time_s: 2, ended_tick: null,
        ended_by: null, region: null, runbook: null, incident: null,
      });
    },
  }),
  endSilence: vi.fn(() => {
    SERVER.silence = null;
    return Promise.resolve({ id: "s-1" });
  }),
}));
afterEach(cleanup);

it("ends the silence of an alert where the alert is looked at, and shows what is so then", async () => {
  const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory() });
  renderPage(<RouterContextProvider router={router}><AlertDetail id="a-1" onClose={() => undefined} /></RouterContextProvider>);
  fireEvent.click(await screen.findByRole("button", { name: "End its silence" }));
  await waitFor(() => expect(screen.getByRole("button", { name: "Silence…" })).toBeTruthy());
  expect(vi.mocked(endSilence).mock.calls[0]?.[0]).toBe("s-1");
  expect(screen.queryByRole("button", { name: "End its silence" })).toBeNull();
  expect(SERVER.asked).toBe(2);
});
