import { Button, type MantineColorScheme, SegmentedControl, Switch, useMantineColorScheme } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { createLazyRoute } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, type Schemas } from "@/api/client";
import { meQuery } from "@/api/service";
import { announce } from "@/components/announce";
import { Facts } from "@/components/Facts";
import { useFieldErrors } from "@/components/fieldErrors";
import { Identifier } from "@/components/Identifier";
import { areSingleKeysOn, switchSingleKeys } from "@/components/keyboard";
import { Page } from "@/components/Page";
import { PageSentence } from "@/components/PageSentence";
import { Panel } from "@/components/Panel";
import { PasswordField } from "@/components/PasswordField";
import { Problem } from "@/components/Problem";
import { plural } from "@/lib/format";
import { sessionsQuery } from "./queries";
import { Sessions } from "./Sessions";
import classes from "./users.module.css";
import { ViewList } from "./ViewList";

export const Route = createLazyRoute("/shell/me")({ component: AccountPage });

function AccountPage() {
  const me = useQuery(meQuery);
  const sessions = useQuery(sessionsQuery);
  const failed = [me, sessions].find((query) => query.isError);
  const count = sessions.data?.length ?? 0;
  return (
    <Page>
      <PageSentence title="Account">
        {me.data === undefined || sessions.data === undefined ? "Account"
          : `You are ${me.data.username}, ${me.data.role === "admin" ? "an administrator" : "a user"}, logged in ${count === 1 ? "here alone" : `in ${plural(count, "place")}`}.`}
      </PageSentence>
      {failed !== undefined && <Problem error={failed.error} onRetry={() => void failed.refetch()} />}
      <Panel title="Sessions" isFlush><Sessions sessions={sessions.data ?? []} /></Panel>
      <div className={classes["split"]}>
        <Panel title="This browser"><Browser /></Panel>
        <Panel title="Saved views" isFlush><ViewList /></Panel>
        <Panel title="Account">{me.data !== undefined && <Account me={me.data} />}</Panel>
        <Panel title="Password">{me.data !== undefined && <Password username={me.data.username} />}</Panel>
      </div>
    </Page>
  );
}

function Account({ me }: { me: Schemas["MeOut"] }) {
  return (
    <Facts rows={[
      ["Name", me.username],
      ["Identifier", <Identifier key="id" id={me.id} />],
      ["Role", me.role === "admin" ? "administrator" : "user"],
    ]} />
  );
}

function Browser() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [areOn, setOn] = useState(areSingleKeysOn);
  return (
    <div className={classes["form"]}>
      <SegmentedControl
        aria-label="Colours" value={colorScheme} onChange={(scheme) => setColorScheme(scheme as MantineColorScheme)}
        data={[{ value: "auto", label: "As the system" }, { value: "light", label: "Light" }, { value: "dark", label: "Dark" }]}
      />
      <Switch
        label="Single letters act" description="Keys such as g j and n; never inside fields. ? lists them." checked={areOn}
        onChange={(event) => {
          switchSingleKeys(event.currentTarget.checked);
          setOn(event.currentTarget.checked);
        }}
      />
    </div>
  );
}

function Password({ username }: { username: string }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useMutation({
    mutationFn: (body: Schemas["PasswordChangeIn"]) => api.POST("/api/v1/users/me/password", { body }),
    onSuccess: () => announce("The password is changed. All sessions have ended, this one too: log in again."),
  });
  const [form, errors] = useFieldErrors(change.error, ["current_password", "new_password"]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate({ current_password: current, new_password: next });
  };
  return (
    <form ref={form} className={classes["form"]} onSubmit={submit}>
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <PasswordField label="Present password" name="current_password" error={errors.of("current_password")} autoComplete="current-password" required withAsterisk={false}
        value={current} onChange={(event) => setCurrent(event.currentTarget.value)} />
      <PasswordField label="New password" name="new_password" error={errors.of("new_password")} description="12 to 128 characters. All your sessions end." autoComplete="new-password" required withAsterisk={false}
        value={next} onChange={(event) => setNext(event.currentTarget.value)} />
      {errors.rest !== null && <Problem error={errors.rest} />}
      <Button type="submit" loading={change.isPending} disabled={current === "" || next === ""}>Change the password</Button>
    </form>
  );
}
