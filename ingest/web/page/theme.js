// The theme that was chosen here before, set before anything is painted: no flash. Everything else is in modules.
"use strict";

(() => {
  const KEY = "homeiq-ingest.theme";
  const THEMES = ["auto", "light", "dark"];
  let chosen = "auto";
  try {
    chosen = localStorage.getItem(KEY) ?? "auto";
  } catch {
    // A browser that keeps nothing for us: the choice lasts as long as the page.
  }
  if (!THEMES.includes(chosen)) chosen = "auto";

  const show = () => {
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${chosen}`;
  };

  show();
  document.addEventListener("DOMContentLoaded", () => {
    show();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
      try {
        localStorage.setItem(KEY, chosen);
      } catch {
        // As above.
      }
      show();
    });
  });
})();
