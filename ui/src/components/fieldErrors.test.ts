import { expect, it } from "vitest";
import { ProblemError, toDocument } from "@/api/problems";
import { splitErrors } from "./fieldErrors";

const refused = (...fields: string[]) => new ProblemError(toDocument({ title: "Wrong", errors: fields.map((field) => ({ field, limit: `${field} is short` })) }, 422));

it("puts errors at their fields, and keeps what names another one", () => {
  const both = splitErrors(refused("username", "password"), ["username", "password"]);
  expect([both.of("username"), both.of("password"), both.of("role"), both.rest]).toEqual(["username is short", "password is short", undefined, null]);
  const error = refused("username", "mystery");
  const some = splitErrors(error, ["username"]);
  expect([some.of("username"), some.rest]).toEqual(["username is short", error]);
});

it("keeps an error without fields, and none", () => {
  const error = new TypeError("Failed to fetch");
  expect(splitErrors(error, ["a"]).rest).toBe(error);
  expect(splitErrors(null, ["a"]).rest).toBeNull();
});
