import { Button, Menu, Modal, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { changeViews, type SavedView, type Views, viewsQuery, withView } from "@/api/views";
import { announce } from "./announce";
import { Problem } from "./Problem";
import text from "./text.module.css";

const MOST_LETTERS = 60;

/**
 * The views of a list that its user has saved, to be opened, and the present one, to be saved: "Views ▾".
 * A view is the query string of the address, so whatever a list keeps in its address is in its views.
 *
 * @param page The page that the views are of, as in `jobs`; its address is the one that is open.
 */
export function SavedViews({ page }: { page: string }) {
  const router = useRouter();
  const { data } = useQuery(viewsQuery);
  const [isNaming, setNaming] = useState(false);
  const views = data?.views[page] ?? [];
  const open = (view: SavedView) => void router.navigate({ href: `${location.pathname}${view.query}` });
  return (
    <>
      <Menu position="bottom-end" width={240}>
        <Menu.Target><Button rightSection="▾">Views</Button></Menu.Target>
        <Menu.Dropdown>
          {views.length === 0 && <Menu.Label>No view is saved yet</Menu.Label>}
          {views.map((view) => <Menu.Item key={view.name} onClick={() => open(view)}>{view.name}</Menu.Item>)}
          <Menu.Divider />
          <Menu.Item onClick={() => setNaming(true)} disabled={data === undefined}>Save this view…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={isNaming} onClose={() => setNaming(false)} title="Save this view" size="sm" closeButtonProps={{ "aria-label": "Close" }}>
        <NameForm page={page} onDone={() => setNaming(false)} />
      </Modal>
    </>
  );
}

function NameForm({ page, onDone }: { page: string; onDone: () => void }) {
  const queries = useQueryClient();
  const { data } = useQuery(viewsQuery);
  const [name, setName] = useState("");
  const isTaken = data?.views[page]?.some((view) => view.name === name.trim()) ?? false;
  const save = useMutation({
    mutationFn: (view: SavedView) => {
      const change = (views: Views) => withView(views, page, view);
      return changeViews(data ?? { version: 0, views: {} }, change);
    },
    onSuccess: (answer, view) => {
      queries.setQueryData(viewsQuery.queryKey, answer);
      announce(`The view “${view.name}” is saved.`);
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") save.mutate({ name: name.trim(), query: location.search });
  };
  return (
    <form onSubmit={submit}>
      <TextInput
        label="Name" data-autofocus maxLength={MOST_LETTERS} value={name}
        description={isTaken ? "A view of this name is there; it is replaced." : "Its filters, as they are in the address."}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      {save.isError && <Problem error={save.error} />}
      <p className={text["end"]}><Button type="submit" loading={save.isPending} disabled={name.trim() === ""}>Save</Button></p>
    </form>
  );
}
