// @vitest-environment happy-dom
import { renderHook } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { findKey, isTyping, type Key, listenToKeys, useKeys } from "./keyboard";

const keys: Key[] = ["n", "g j", "g o", "j", "Ctrl+Enter"].map((name) => ({ keys: name, does: name, run: () => undefined }));
const press = (key: string, init: KeyboardEventInit = {}) => new KeyboardEvent("keydown", { key, ...init });

describe("findKey", () => {
  it("finds a single key", () => expect(findKey(press("n"), keys, 0)?.keys).toBe("n"));

  it("finds the second of two in time, and the single one too late", () => {
    expect(findKey(press("g"), keys, 1000)).toBeUndefined();
    expect(findKey(press("j"), keys, 1500)?.keys).toBe("g j");
    expect(findKey(press("g"), keys, 2000)).toBeUndefined();
    expect(findKey(press("j"), keys, 4000)?.keys).toBe("j");
  });

  it("finds a key with Ctrl, or that of a Mac, also within a field", () => {
    const field = document.createElement("textarea");
    const event = press("Enter", { ctrlKey: true });
    field.dispatchEvent(event);
    expect(findKey(event, keys, 0)?.keys).toBe("Ctrl+Enter");
    expect(findKey(press("Enter", { metaKey: true }), keys, 0)?.keys).toBe("Ctrl+Enter");
    expect(findKey(press("Enter"), keys, 0)).toBeUndefined();
  });

  it("leaves the browser's own keys alone", () => {
    expect(findKey(press("n", { ctrlKey: true }), keys, 0)).toBeUndefined();
    expect(findKey(press("n", { metaKey: true }), keys, 0)).toBeUndefined();
  });
});

it("takes no key from a field", () => {
  document.body.append(...["input", "input", "textarea", "button"].map((tag, index) => {
    const element = document.createElement(tag);
    element.id = "abcd".charAt(index);
    if (element.id === "b") element.setAttribute("type", "checkbox");
    return element;
  }));
  const is = (id: string) => isTyping(document.getElementById(id));
  expect([is("a"), is("b"), is("c"), is("d"), isTyping(null)]).toEqual([true, false, true, false, false]);
});

it("runs what the component does now, not what it did when it was mounted", () => {
  const seen: number[] = [];
  const stop = listenToKeys();
  const hook = renderHook(({ count }) => useKeys([{ keys: "c", does: "Count", run: () => seen.push(count) }]), { initialProps: { count: 1 } });
  hook.rerender({ count: 2 });
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "c", bubbles: true }));
  hook.unmount();
  document.dispatchEvent(new KeyboardEvent("keydown", { key: "c", bubbles: true }));
  stop();
  expect(seen).toEqual([2]);
});

it("knows keys that come while a component stands, and forgets those that go", () => {
  const seen: string[] = [];
  const stop = listenToKeys();
  const press = (key: string) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const key = (name: string): Key => ({ keys: name, does: name, run: () => seen.push(name) });
  const hook = renderHook(({ names }) => useKeys(names.map(key)), { initialProps: { names: [] as string[] } });
  press("a");
  hook.rerender({ names: ["a"] });
  press("a");
  hook.rerender({ names: ["b"] });
  press("a");
  press("b");
  hook.unmount();
  stop();
  expect(seen).toEqual(["a", "b"]);
});
