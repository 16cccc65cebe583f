/** Errors of a form's fields as the server names them, each at its field; what names none of them stands by itself. */
import { type RefObject, useEffect, useRef } from "react";
import { asProblem } from "@/api/problems";

export interface FieldErrors {
  /** What is wrong with a field, or undefined. */
  readonly of: (name: string) => string | undefined;
  /** The error where it says more than stands at the fields, else null. */
  readonly rest: unknown;
}

/** Tell errors of known fields from the rest. */
export function splitErrors(error: unknown, names: readonly string[]): FieldErrors {
  const errors = error === null || error === undefined ? [] : asProblem(error).errors;
  const isKnown = (field: string) => names.includes(field);
  const isAllKnown = errors.length > 0 && errors.every(({ field }) => isKnown(field));
  return { of: (name) => errors.find(({ field }) => field === name)?.message, rest: isAllKnown ? null : (error ?? null) };
}

/**
 * Split the errors of an answer, and focus the first field that is wrong, once for each answer.
 *
 * @param names Fields of the form, as the server and their inputs are named.
 * @returns What the form is to be given as `ref`, and the errors.
 */
export function useFieldErrors(error: unknown, names: readonly string[]): readonly [RefObject<HTMLFormElement | null>, FieldErrors] {
  const form = useRef<HTMLFormElement>(null);
  const errors = splitErrors(error, names);
  const first = names.find((name) => errors.of(name) !== undefined);
  useEffect(() => {
    if (first !== undefined) form.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
  }, [error, first]);
  return [form, errors];
}
