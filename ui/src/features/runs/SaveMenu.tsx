import { Button, Menu } from "@mantine/core";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import type { Saved, What } from "./saving";

/** Everything that a run shows, as a picture with its legend and as a table; what makes them is loaded when it is needed. */
export function SaveMenu(props: Saved) {
  const save = (what: What, ending: "png" | "csv") => {
    import("./saving")
      .then((file) => file.save(props, what, ending))
      .catch((error: unknown) => announce(`The ${what} could not be saved: ${asProblem(error).detail}`));
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target><Button rightSection="▾">Save</Button></Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Field</Menu.Label>
        <Menu.Item onClick={() => save("field", "png")}>Picture with its scale (PNG)</Menu.Item>
        <Menu.Item onClick={() => save("field", "csv")}>All values (CSV)</Menu.Item>
        <Menu.Label>Trends</Menu.Label>
        <Menu.Item onClick={() => save("trends", "png")}>Picture with its lines (PNG)</Menu.Item>
        <Menu.Item onClick={() => save("trends", "csv")}>All samples (CSV)</Menu.Item>
        <Menu.Label>Timeline</Menu.Label>
        <Menu.Item onClick={() => save("timeline", "png")}>Picture with its lanes (PNG)</Menu.Item>
        <Menu.Item onClick={() => save("timeline", "csv")}>All events (CSV)</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
