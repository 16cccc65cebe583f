/* Sets the colour scheme before the first paint, so that a dark page never flashes white. Runs before any module. */
(function () {
  var chosen = "auto";
  try {
    chosen = window.localStorage.getItem("grid-colour-scheme") || "auto";
  } catch {
    chosen = "auto"; // storage is switched off: follow the system
  }
  var isDark =
    chosen === "dark" || (chosen !== "light" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", isDark ? "dark" : "light");
})();
