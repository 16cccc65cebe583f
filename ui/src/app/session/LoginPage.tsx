import { getRouteApi, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { getFailure } from "./link";
import { LoginForm } from "./LoginForm";
import classes from "./login.module.css";

const route = getRouteApi("/login");

/** Who are you? By name and password, or by a one-time link that the server prints. */
export function LoginPage() {
  const { to } = route.useSearch();
  const router = useRouter();
  useEffect(() => {
    document.title = "Log in · Grid";
  }, []);
  return (
    <main className={classes["page"]}>
      <div className={classes["box"]}>
        <h1 className={classes["name"]}>Grid</h1>
        <LoginForm failure={getFailure()} onDone={() => void router.navigate({ href: to ?? "/", replace: true })} />
        <p className={classes["hint"]}>
          On the machine that Grid runs on, <code>grid auth link</code> prints an address that logs you in without a
          password.
        </p>
      </div>
    </main>
  );
}
