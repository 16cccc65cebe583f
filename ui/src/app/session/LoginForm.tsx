import { Button, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { session } from "@/api/browser";
import { PasswordField } from "@/components/PasswordField";
import { Problem } from "@/components/Problem";
import classes from "./login.module.css";

/**
 * Name and password.
 *
 * @param username Set where somebody goes on over an open page: it is theirs, so nobody else's name is asked for.
 * @param onDone Called after the login.
 */
export function LoginForm(props: { username?: string | undefined; failure?: unknown; onDone?: () => void }) {
  const [username, setUsername] = useState(props.username ?? "");
  const [password, setPassword] = useState("");
  const [failure, setFailure] = useState<unknown>(props.failure);
  const [isBusy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      await session.logIn(username.trim(), password);
      props.onDone?.();
    } catch (error) {
      setFailure(error);
      setPassword("");
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className={classes["form"]} onSubmit={(event) => void submit(event)}>
      <TextInput
        label="User name"
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        withAsterisk={false}
        autoFocus={props.username === undefined}
        value={username}
        onChange={(event) => setUsername(event.currentTarget.value)}
      />
      <PasswordField
        label="Password"
        name="password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        autoFocus={props.username !== undefined}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
      />
      {failure !== undefined && <Problem error={failure} />}
      <Button type="submit" variant="filled" loading={isBusy} fullWidth>
        Log in
      </Button>
    </form>
  );
}
