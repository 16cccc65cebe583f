// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { readViews, withoutView, withView } from "@/api/views";
import { nameOf } from "./Sessions";

it.each([
  ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0 Safari/537.36", "Chrome on X11"],
  ["Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/120 Safari/537.36 Edg/120", "Edge on Windows NT 10.0"],
  ["grid-client/0.1.0 httpx", "grid-client/0.1.0"],
  ["<img src=x onerror=alert(1)>", "<img"],
])("names the program of %s", (agent, name) => {
  expect(nameOf({ agent, kind: "browser" })).toBe(name);
});

it("reads views without trust, and changes none but the named one", () => {
  const good = { name: "failed", query: "?status=failed" };
  const { views } = readViews({ version: 3, views: { jobs: [good, { name: 1 }, { name: "evil", query: "https://x" }], sweeps: "no" } });
  expect(views).toEqual({ jobs: [good], sweeps: [] });
  const changed = withView(views, "jobs", { name: "failed", query: "?status=expired" });
  expect(changed["jobs"]).toEqual([{ name: "failed", query: "?status=expired" }]);
  expect(withoutView(changed, "jobs", "failed")).toEqual({ jobs: [], sweeps: [] });
});
