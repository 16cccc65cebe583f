// @vitest-environment happy-dom
import { cleanup, fireEvent, screen } from "@testing-library/react";
import { useReducer } from "react";
import { afterEach, expect, it } from "vitest";
import { type FieldError, type FormAction, type FormState, reduceForm, type Schema, startForm } from "@/lib/schema";
import { renderPage } from "@/test/render";
import { SchemaForm } from "./SchemaForm";

afterEach(cleanup);

const SCHEMA: Schema = {
  type: "object",
  properties: {
    length: { type: "number", minimum: 1e-6, maximum: 10, default: 1, unit: "m", title: "Length", description: "Of the rod" },
    fail: { type: "string", enum: ["no", "diverge"], default: "no", title: "Fail" },
    inner: { type: "object", title: "Numerics", properties: { steps: { type: "integer", title: "Steps", minimum: 1 } } },
  },
};

function Form({ refused }: { refused?: FieldError[] }) {
  const [state, dispatch] = useReducer((old: FormState, action: FormAction) => reduceForm(SCHEMA, old, action), startForm());
  return (
    <>
      <SchemaForm schema={SCHEMA} state={state} dispatch={dispatch} />
      <button type="button" onClick={() => dispatch({ type: "refused", errors: refused ?? [] })}>Send</button>
      <output>{JSON.stringify(state.value)}</output>
    </>
  );
}

it("shows limits before anything is wrong, and the reason once a field is left", () => {
  renderPage(<Form />);
  const field = screen.getByLabelText("Length");
  expect(screen.getByText("Of the rod: 1e-6 to 10, default 1")).toBeTruthy();
  fireEvent.change(field, { target: { value: "1,5" } });
  expect(field.getAttribute("aria-invalid")).not.toBe("true");
  fireEvent.blur(field);
  expect(screen.getByText("Write a point instead of the comma: 1.5")).toBeTruthy();
  expect((field as HTMLInputElement).value).toBe("1,5");
  fireEvent.change(field, { target: { value: "50 cm" } });
  expect(screen.getByText("= 0.5 m")).toBeTruthy();
  expect(screen.getByText('{"length":0.5}')).toBeTruthy();
});

it("chooses by the words of the schema", () => {
  renderPage(<Form />);
  fireEvent.change(screen.getByLabelText("Fail"), { target: { value: "1" } });
  expect(screen.getByText('{"fail":"diverge"}')).toBeTruthy();
});

it("opens the section of a field that the server refused, and gives it the focus", () => {
  renderPage(<Form refused={[{ path: "inner.steps", message: "too few" }]} />);
  fireEvent.click(screen.getByText("Send"));
  expect(screen.getByText("Numerics", { exact: false }).closest("details")?.open).toBe(true);
  expect(document.activeElement).toBe(screen.getByLabelText("Steps"));
  expect(screen.getByText("too few")).toBeTruthy();
});

it("shows an error without a field below the form", () => {
  renderPage(<Form refused={[{ path: "lenght", message: "no such parameter" }]} />);
  fireEvent.click(screen.getByText("Send"));
  expect(screen.getByText("lenght: no such parameter")).toBeTruthy();
});
