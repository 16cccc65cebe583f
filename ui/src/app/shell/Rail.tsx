import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { Icon, PlaceIcon } from "./icons";
import type { Place } from "./places";
import classes from "./shell.module.css";

const OPEN = "grid-rail"; // in localStorage

/** The pages there are: 56 px, or 176 px with their names beside the marks. */
export function Rail({ places }: { places: readonly Place[] }) {
  const [isOpen, setOpen] = useState(() => localStorage.getItem(OPEN) === "open");
  const toggle = () => {
    localStorage.setItem(OPEN, isOpen ? "closed" : "open");
    setOpen(!isOpen);
  };
  return (
    <nav className={classes["rail"]} data-open={isOpen || undefined} aria-label="Pages">
      {places.map((place) => (
        <Link
          key={place.to}
          to={place.to}
          className={classes["place"]}
          activeOptions={{ exact: place.to === "/", includeSearch: false }}
          title={place.key === undefined ? place.name : `${place.name} (g ${place.key})`}
        >
          <PlaceIcon to={place.to} />
          <span>{place.name}</span>
        </Link>
      ))}
      <button type="button" className={classes["fold"]} onClick={toggle} aria-expanded={isOpen} aria-label="Names of the pages">
        <Icon path={isOpen ? "M10 3 5 8l5 5" : "m6 3 5 5-5 5"} />
      </button>
    </nav>
  );
}
