import { Button, Modal, Select, TextInput } from "@mantine/core";
import { type InfiniteData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, ok, type Schemas } from "@/api/client";
import { meQuery } from "@/api/service";
import { announce } from "@/components/announce";
import { type Column, DataTable } from "@/components/DataTable";
import { useFieldErrors } from "@/components/fieldErrors";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { PasswordField } from "@/components/PasswordField";
import { Problem } from "@/components/Problem";
import { Time } from "@/components/Time";
import { formatCount, plural } from "@/lib/format";
import { type Role, type User, userListQuery } from "./queries";
import classes from "./users.module.css";

export const Route = createLazyRoute("/shell/users")({ component: UsersPage });

type Change = Schemas["UserPatchIn"] & { readonly id: string };

function UsersPage() {
  const { data: me } = useQuery(meQuery);
  const users = useInfiniteQuery(userListQuery);
  const queries = useQueryClient();
  const [isMaking, setMaking] = useState(false);
  const [asked, setAsked] = useState<User>();
  const change = useMutation({
    mutationFn: ({ id, ...body }: Change) => ok(api.PATCH("/api/v1/users/{user_id}", { params: { path: { user_id: id } }, body })),
    onSuccess: (user) => {
      queries.setQueryData(userListQuery.queryKey, (old) => replaced(old, user));
      announce(`${user.username} is ${user.disabled ? "shut out" : user.role === "admin" ? "an administrator" : "a user"} now; all sessions of the account have ended.`);
    },
  });
  const rows = users.data?.pages.flatMap((page) => page.items) ?? [];
  const total = users.data?.pages[0]?.total ?? 0;
  const shut = rows.filter((user) => user.disabled).length;
  const onEnd = () => {
    if (users.hasNextPage && !users.isFetchingNextPage) void users.fetchNextPage();
  };
  const columns: Column<User>[] = [
    { key: "name", title: "User", width: "minmax(160px, 1fr)", render: (user) => <>{user.username}{user.id === me?.id && <span className={classes["muted"]}> (you)</span>}</> },
    { key: "role", title: "Role", width: "168px", render: (user) => (
      <RoleChoice user={user} isFixed={user.id === me?.id} onChange={(role) => change.mutate({ id: user.id, role })} />
    ) },
    { key: "state", title: "Account", width: "120px", render: (user) => (user.disabled ? "⊘ shut" : "open") },
    { key: "password", title: "Password set", width: "200px", render: (user) => <Time at={user.password_changed_at} withAge /> },
    { key: "made", title: "Made", width: "200px", render: (user) => <Time at={user.created_at} withAge /> },
    { key: "act", title: "", width: "96px", align: "right", render: (user) => user.id !== me?.id && (
      <Button size="compact-sm" onClick={() => (user.disabled ? change.mutate({ id: user.id, disabled: false }) : setAsked(user))}>
        {user.disabled ? "Open" : "Shut out"}
      </Button>
    ) },
  ];

  return (
    <Page>
      <PageSentence title="Users" actions={<Button onClick={() => setMaking(true)}>New user</Button>}>
        {users.data === undefined ? "Users" : `${plural(total, "user")}, ${shut === 0 ? "all accounts are open" : `${formatCount(shut)} shut out`}.`}
      </PageSentence>
      {users.isError && <Problem error={users.error} onRetry={() => void users.refetch()} />}
      {change.isError && <Problem error={change.error} />}
      <Panel isFlush className="grow">
        <DataTable label="Users" rows={rows} total={total} columns={columns} rowKey={(user) => user.id} onEnd={onEnd} />
      </Panel>
      <Modal opened={isMaking} onClose={() => setMaking(false)} title="New user" size="sm" closeButtonProps={{ "aria-label": "Close" }}>
        <NewUser onDone={() => setMaking(false)} />
      </Modal>
      <Modal opened={asked !== undefined} onClose={() => setAsked(undefined)} title={`Shut out ${asked?.username ?? ""}?`} size="sm" closeButtonProps={{ "aria-label": "Close" }}>
        <div className={classes["form"]}>
          <p>Every session of the account ends at once, and nobody can log in to it until you open it again. Jobs go on, and results stay.</p>
          <Button data-autofocus onClick={() => {
            if (asked !== undefined) change.mutate({ id: asked.id, disabled: true });
            setAsked(undefined);
          }}>Shut out</Button>
        </div>
      </Modal>
    </Page>
  );
}

function RoleChoice({ user, isFixed, onChange }: { user: User; isFixed: boolean; onChange: (role: Role) => void }) {
  if (isFixed) return <span>{user.role === "admin" ? "administrator" : "user"}</span>;
  return (
    <select className={classes["role"]} aria-label={`Role of ${user.username}`} value={user.role} onChange={(event) => onChange(event.currentTarget.value as Role)}>
      <option value="user">user</option>
      <option value="admin">administrator</option>
    </select>
  );
}

function replaced(old: InfiniteData<Schemas["UserPage"]> | undefined, user: User) {
  if (old === undefined) return old;
  const pages = old.pages.map((page) => ({ ...page, items: page.items.map((item) => (item.id === user.id ? user : item)) }));
  return { ...old, pages };
}

function NewUser({ onDone }: { onDone: () => void }) {
  const queries = useQueryClient();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("user");
  const make = useMutation({
    mutationFn: (body: Schemas["UserCreateIn"]) => ok(api.POST("/api/v1/users", { body })),
    onSuccess: (user) => {
      announce(`${user.username} can log in now.`);
      void queries.invalidateQueries({ queryKey: userListQuery.queryKey });
      onDone();
    },
  });
  const [form, errors] = useFieldErrors(make.error, ["username", "password", "role"]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ username: username.trim(), password, role });
  };
  return (
    <form ref={form} className={classes["form"]} onSubmit={submit}>
      <TextInput label="User name" name="username" error={errors.of("username")} description="Letters, digits, dot, dash and underscore" autoComplete="off" required withAsterisk={false} data-autofocus
        value={username} onChange={(event) => setUsername(event.currentTarget.value)} />
      <PasswordField label="First password" name="password" error={errors.of("password")} description="12 to 128 characters; the user changes it under Account" autoComplete="new-password" required withAsterisk={false}
        value={password} onChange={(event) => setPassword(event.currentTarget.value)} />
      <Select label="Role" name="role" error={errors.of("role")} data={[{ value: "user", label: "user" }, { value: "admin", label: "administrator" }]} allowDeselect={false}
        value={role} onChange={(value) => setRole((value ?? "user") as Role)} />
      {errors.rest !== null && <Problem error={errors.rest} />}
      <Button type="submit" variant="filled" loading={make.isPending}>Make the user</Button>
    </form>
  );
}
