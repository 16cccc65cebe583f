import { Button, Menu } from "@mantine/core";
import type { RefObject } from "react";
import { asProblem } from "@/api/problems";
import { announce } from "./announce";
import { saveFile } from "./files";
import { takePicture, UNSAVED } from "./picture";

/** A table that can be saved: made by the page, or begun as a download of the server. */
export interface Table {
  /** "All 800 values". */
  readonly label: string;
  /** Ends of the file's name that tell it from others of the view. */
  readonly suffix?: string;
  readonly make: () => Blob | Promise<Blob | void>;
}

interface Props {
  /** What is drawn; its picture has its legend. */
  readonly picture: RefObject<HTMLElement | null>;
  /** What it is called: title of the picture. */
  readonly title: string;
  /** Start of the names of files. */
  readonly fileName: string;
  readonly tables: readonly Table[];
  /** As high as the buttons at the head of a page. */
  readonly isLarge?: boolean;
}

/** "Save ▾": a view as a picture, and as tables. */
export function SaveMenu({ picture, title, fileName, tables, isLarge = false }: Props) {
  const tell = (run: Promise<string>) =>
    void run.then(announce, (error: unknown) => announce(`It could not be saved: ${asProblem(error).detail}`));
  const savePicture = async () => {
    const made = picture.current === null ? null : await takePicture(picture.current, title);
    if (made === null) return "There is nothing to save yet.";
    saveFile(`${fileName}.png`, made);
    return `${title} is saved as a picture.`;
  };
  const saveTable = async (table: Table) => {
    const made = await table.make();
    if (made instanceof Blob) saveFile(`${fileName}${table.suffix ?? ""}.csv`, made);
    return `${title} is saved as a table.`;
  };
  return (
    <span {...UNSAVED}>
      <Menu position="bottom-end">
        <Menu.Target><Button {...(isLarge ? {} : { size: "compact-sm" })} aria-label={`Save ${title}`} rightSection="▾">Save</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => tell(savePicture())}>Picture with its legend (PNG)</Menu.Item>
          {tables.map((table) => <Menu.Item key={table.label} onClick={() => tell(saveTable(table))}>{table.label} (CSV)</Menu.Item>)}
        </Menu.Dropdown>
      </Menu>
    </span>
  );
}
