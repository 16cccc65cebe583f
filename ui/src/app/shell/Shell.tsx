import { useQuery } from "@tanstack/react-query";
import { Outlet, useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { session } from "@/api/browser";
import { meQuery } from "@/api/service";
import { useAnnouncement } from "@/components/announce";
import { listenToKeys, useKeys } from "@/components/keyboard";
import { useNews } from "@/components/useNews";
import { LoginDialog } from "../session/LoginDialog";
import { Help } from "./Help";
import { placesFor } from "./places";
import { Rail } from "./Rail";
import classes from "./shell.module.css";
import { Strip } from "./Strip";

/** What stands around every page of somebody who is logged in. */
export function Shell() {
  const router = useRouter();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const places = placesFor(me?.role === "admin");

  useEffect(listenToKeys, []);
  useNews();
  useEffect(
    () =>
      session.subscribe(() => {
        if (session.getState() === "out") void router.navigate({ to: "/login", search: {} });
      }),
    [router],
  );
  useKeys([
    { keys: "?", does: "This list", run: () => setHelpOpen(true) },
    ...places.flatMap((place) =>
      place.key === undefined
        ? []
        : [{ keys: `g ${place.key}`, does: place.name, run: () => void navigate({ to: place.to }) }],
    ),
  ]);

  return (
    <div className={classes["shell"]}>
      <a href="#content" className={classes["skip"]}>Skip to the content</a>
      <Strip onHelp={() => setHelpOpen(true)} />
      <Rail places={places} />
      <main id="content" className={classes["content"]} tabIndex={-1}>
        <Outlet />
      </main>
      <Help isOpen={isHelpOpen} onClose={() => setHelpOpen(false)} />
      <LoginDialog username={me?.username} />
      <Announcements />
    </div>
  );
}

/** The two live regions of the page, and the same words for a few seconds at its foot. */
function Announcements() {
  const announcement = useAnnouncement();
  return (
    <>
      <div className={classes["toast"]} data-shown={announcement !== null || undefined} role="status" aria-live="polite">
        {announcement?.urgency === "polite" && announcement.text}
      </div>
      <div className={classes["unseen"]} aria-live="assertive">
        {announcement?.urgency === "assertive" && announcement.text}
      </div>
    </>
  );
}
