// @vitest-environment happy-dom
import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { createMemoryHistory, createRootRoute, createRouter, RouterContextProvider } from "@tanstack/react-router";
import { afterEach, expect, it, vi } from "vitest";
import { changeViews } from "@/api/views";
import { renderPage } from "@/test/render";
import { SavedViews } from "./SavedViews";

const NAMES = vi.hoisted(() => ({ version: 2, views: { runs: [{ name: "those that live", query: "?state=running,paused" }], alerts: [{ name: "bad", query: "?severity=critical" }] } }));
vi.mock("@/api/views", async (load) => ({
  ...(await load<object>()),
  viewsQuery: { queryKey: ["views"], queryFn: () => Promise.resolve(NAMES) },
  changeViews: vi.fn(() => Promise.resolve(NAMES)),
}));
afterEach(() => {
  cleanup();
  history.replaceState(null, "", "/");
});

function show(page: string, address: string) {
  history.replaceState(null, "", address);
  const router = createRouter({ routeTree: createRootRoute(), history: createMemoryHistory() });
  const navigate = vi.spyOn(router, "navigate").mockResolvedValue();
  renderPage(<RouterContextProvider router={router}><SavedViews page={page} /></RouterContextProvider>);
  return navigate;
}

it("lists the views of its own page, and opens one by its query on the page that is open", async () => {
  const navigate = show("runs", "/runs?all=true");
  fireEvent.click(screen.getByRole("button", { name: /Views/ }));
  expect(screen.queryByText("bad")).toBeNull();
  fireEvent.click(await screen.findByText("those that live"));
  expect(navigate).toHaveBeenCalledWith({ href: "/runs?state=running,paused" });
});

it("saves the address that is shown under the name that is typed, beside the views of other pages", async () => {
  show("alerts", "/alerts?severity=high&tab=ended");
  fireEvent.click(screen.getByRole("button", { name: /Views/ }));
  await screen.findByText("bad");
  fireEvent.click(screen.getByText("Save this view…"));
  const name = await screen.findByLabelText("Name");
  fireEvent.change(name, { target: { value: " last night " } });
  fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(changeViews).toHaveBeenCalled());
  const change = vi.mocked(changeViews).mock.calls[0]?.[1];
  expect(change?.(NAMES.views)).toEqual({ ...NAMES.views, alerts: [...NAMES.views.alerts, { name: "last night", query: "?severity=high&tab=ended" }] });
});
