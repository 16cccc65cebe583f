// @vitest-environment happy-dom
import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { ProblemError, toDocument } from "@/api/problems";
import { renderPage } from "@/test/render";
import { DataTable } from "./DataTable";
import { Problem } from "./Problem";
import { Quantity } from "./Quantity";
import { Severity } from "./Severity";
import { StateMark } from "./StateMark";
import { Time } from "./Time";

afterEach(cleanup);

it("shows a problem's words, its fields and the request that the log knows", () => {
  const onRetry = vi.fn();
  const body = {
    title: "Fields are wrong", detail: "2 fields are wrong.", request_id: "r-7",
    errors: [{ field: "params.length", limit: "must be above 0" }],
  };
  renderPage(<Problem error={new ProblemError(toDocument(body, 422))} onRetry={onRetry} />);
  expect(screen.getByRole("alert").textContent).toContain("2 fields are wrong.");
  expect(screen.getByText("params.length").tagName).toBe("CODE");
  expect(screen.getByText("r-7").tagName).toBe("CODE");
  fireEvent.click(screen.getByText("Try again"));
  expect(onRetry).toHaveBeenCalledOnce();
});

it("shows markup in a problem as text", () => {
  renderPage(<Problem error={new Error("<img src=x onerror=alert(1)>")} />);
  expect(document.querySelector("img")).toBeNull();
  expect(screen.getByText("<img src=x onerror=alert(1)>").tagName).toBe("P");
});

it("tells severities by word, and states that it does not know by their own name", () => {
  renderPage(<><Severity name="critical" /><StateMark state="timed_out" /><StateMark state="paused" /></>);
  expect(screen.getByText("CRITICAL")).toBeTruthy();
  expect(screen.getByText("timed out")).toBeTruthy();
  expect(screen.getByText("paused")).toBeTruthy();
});

it("prints a value with its unit, all digits on hover, and a dash with a reason", () => {
  renderPage(<><Quantity value={0.123456} unit="m2/s" /><Quantity value={null} why="Not yet computed." /></>);
  expect(screen.getByTitle("0.123456 m²/s").textContent).toBe("0.1235\u2009m²/s");
  expect(screen.getByTitle("Not yet computed.").textContent).toBe("–");
});

it("gives the moment in UTC on hover", () => {
  renderPage(<Time at="2026-11-30T13:02:11Z" />);
  expect(screen.getByTitle("2026-11-30T13:02:11.000Z (UTC)")).toBeTruthy();
});

it("moves through rows by keys, opens one and ticks one", () => {
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(320);
  vi.spyOn(HTMLElement.prototype, "offsetWidth", "get").mockReturnValue(640);
  const [onOpen, onTick] = [vi.fn(), vi.fn()];
  const rows = Array.from({ length: 1000 }, (_, index) => ({ id: `r${index}` }));
  renderPage(
    <DataTable
      label="Rows" rows={rows} rowKey={(row) => row.id} ticked={new Set(["r1"])} onOpen={onOpen} onTick={onTick}
      columns={[{ key: "id", title: "Id", width: "1fr", render: (row) => row.id }]}
    />,
  );
  const grid = screen.getByRole("grid");
  expect(grid.getAttribute("aria-rowcount")).toBe("1001");
  expect(screen.getAllByRole("row").length).toBeLessThan(40);
  fireEvent.keyDown(grid, { key: "j" });
  fireEvent.keyDown(grid, { key: "ArrowDown" });
  fireEvent.keyDown(grid, { key: "Enter" });
  fireEvent.keyDown(grid, { key: "x" });
  expect(onOpen).toHaveBeenCalledExactlyOnceWith(rows[1]);
  expect(onTick).toHaveBeenCalledExactlyOnceWith(rows[1]);
  expect(grid.getAttribute("aria-activedescendant")).toBe("row-r1");
});
