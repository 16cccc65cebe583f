import { expect, it } from "vitest";
import { startForm } from "@/lib/schema";
import { asCli, asCurl, asPython } from "./commands";
import { expandDraft, fromSubmission, readLabels, startDraft, submissionOf } from "./draft";

const AXIS = { way: "list", list: "1; 2", from: "", to: "", count: "" } as const;
const NONE = { points: [], count: 0, product: "" };

it("sends the parameters of one job, its labels and its limits", () => {
  const draft = { ...startDraft({ length: 1 }), run: startForm({ labels: "project=bridge, n=3", retries: 2 }) };
  expect(submissionOf("heat-rod", draft, [])).toEqual({
    simulation: "heat-rod", params: { length: 1 }, metadata: { project: "bridge", n: 3 }, retries: 2,
  });
});

it("leaves what is varied out of the common parameters, but keeps a nested problem whole", () => {
  const problem = { material: { conductivity: 1 } };
  const draft = { ...startDraft({ length: 9, problem }), axes: { length: AXIS, "problem.material.conductivity": AXIS } };
  const values = new Map([["length", [1, 2]], ["problem.material.conductivity", [3]]]);
  const { points } = expandDraft(draft, values);
  expect(submissionOf("heat", draft, points)).toEqual({
    simulation: "heat", params: { problem },
    sweep: [{ length: 1, "problem.material.conductivity": 3 }, { length: 2, "problem.material.conductivity": 3 }],
  });
});

it("takes up JSON as it gave it, and other points as a table", () => {
  const draft = { ...startDraft({ time_steps: 5 }), axes: { length: AXIS } };
  const known = expandDraft(draft, new Map([["length", [1, 2]]]));
  const sent = submissionOf("heat-rod", draft, known.points);
  const again = fromSubmission(JSON.parse(JSON.stringify(sent)), draft, known);
  expect(again).toMatchObject({ axes: { length: AXIS }, table: null });

  const other = fromSubmission({ params: {}, sweep: [{ length: 1 }, { length: 7 }] }, draft, known);
  expect(other).toMatchObject({ axes: {}, table: { names: ["length"], rows: [[1], [7]] } });
});

it("refuses JSON that is no submission", () => {
  expect(fromSubmission([1], startDraft(), NONE)).toContain("object");
  expect(fromSubmission({ sweep: [1] }, startDraft(), NONE)).toContain("list of objects");
});

it("reads labels with signs in their values", () => {
  expect(readLabels("a=b=c, ok=true,, x = y z")).toEqual({ a: "b=c", ok: true, x: "y z" });
});

const RUDE = { simulation: "heat-rod", params: { length: 1, note: "it's $HOME" } };

it("quotes for the shell, so that a value stays a value", () => {
  const curl = asCurl(RUDE, "http://localhost:8000");
  expect(curl).toContain("http://localhost:8000/api/v1/jobs");
  expect(curl).toContain(`it'"'"'s $HOME`);
  expect(asCli(RUDE)).toContain(`--param 'note=it'"'"'s $HOME'`);
});

it("names the points of a sweep by a file where the command line has no place for them", () => {
  const sweep = { simulation: "heat-rod", params: {}, sweep: [{ length: 1 }, { length: 2 }] };
  expect(asPython(sweep)).toContain('"length": 1');
  expect(asCli(sweep)).toContain("--sweep length=1,2");
});
