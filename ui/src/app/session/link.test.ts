// @vitest-environment happy-dom
import { expect, it, vi } from "vitest";
import { takeCode } from "./link";

const place = (href: string) => new URL(href, "http://localhost:8000") as unknown as Location;
const history = () => ({ state: { key: 1 }, replaceState: vi.fn() }) as unknown as History;

it("takes the code of a link out of the address before anything is asked", () => {
  const past = history();
  expect(takeCode(place("/login#code=abc-_9"), past)).toBe("abc-_9");
  expect(past.replaceState).toHaveBeenCalledExactlyOnceWith({ key: 1 }, "", "/login");
});

it.each(["/login", "/login#section", "/jobs#code=abc", "/login?code=abc"])("leaves %s as it is", (href) => {
  const past = history();
  expect(takeCode(place(href), past)).toBeNull();
  expect(past.replaceState).not.toHaveBeenCalled();
});
